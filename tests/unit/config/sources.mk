# The atoll command's front: machine files, the command line, checks of programs, the packed image.
UNIT_config_SOURCES := proxy/config.c proxy/config_parse.c proxy/config_check.c proxy/config_jobs.c \
    proxy/config_cores.c proxy/config_tree.c proxy/config_yaml.c proxy/elf.c proxy/file.c \
    proxy/image.c proxy/options.c proxy/options_help.c tests/fuzz/targets.c
UNIT_config_LIBS := -lelf -lyaml
