/* gdb and debug output. The port is bound here and inherited by QEMU, so nobody can take it in
 * between, and the printed command works before QEMU is up. */
#include "proxy/qemu_debug.h"

#include "abi/program.h"

#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char *qemu_debug_file(void)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    int fd;

    if (asprintf(&path, "%s/atoll-qemu-XXXXXX.log", folder && *folder ? folder : "/tmp") < 0)
        return NULL;
    fd = mkostemps(path, (int)strlen(".log"), O_CLOEXEC);
    if (fd < 0) {
        int error = errno;

        free(path);
        errno = error;
        return NULL;
    }
    close(fd);
    return path;
}

int qemu_debug_listen(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1) ||
        getsockname(fd, (struct sockaddr *)&address, &length)) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static bool is_position_independent(const char *path)
{
    Elf64_Ehdr header;
    FILE *file = fopen(path, "re");
    bool result = file && fread(&header, sizeof(header), 1, file) == 1 && header.e_type == ET_DYN;

    if (file)
        fclose(file);
    return result;
}

void qemu_debug_explain(const struct platform_host *host, unsigned port)
{
    char *text = NULL;

    host->note(host->context, "waiting for gdb; attach with");
    if (asprintf(&text, "  gdb %s -ex 'target remote 127.0.0.1:%u'", host->options->kernel, port) >=
        0) {
        host->note(host->context, text);
        free(text);
    }
    host->note(host->context, "and inside gdb, for a program's symbols (an instance's program is "
                              "there once its kernel has loaded it: use hbreak)");
    for (size_t i = 0; i < host->machine->instance_count; i++) {
        const char *program = host->machine->instances[i].program;
        bool seen = false;
        int length;

        for (size_t j = 0; j < i; j++)
            seen |= !strcmp(program, host->machine->instances[j].program);
        if (seen)
            continue;
        if (is_position_independent(program))
            length = asprintf(&text, "  add-symbol-file %s -o 0x%llx", program,
                              (unsigned long long)PROGRAM_PIE_BASE);
        else
            length = asprintf(&text, "  add-symbol-file %s", program);
        if (length >= 0) {
            host->note(host->context, text);
            free(text);
        }
    }
}
