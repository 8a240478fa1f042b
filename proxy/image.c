/* Packs kernel, programs and the machine table. The layout is worked out once, with offsets from
 * the image's start; writing adds where the image lies in the lagoon. */
#include "proxy/image.h"
#include "abi/build_id.h"
#include "proxy/config_build.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

_Static_assert(sizeof((struct machine_table){0}.build_id) == ATOLL_BUILD_ID_SIZE,
               "the machine table holds the build id");

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
}

/* Appends a file and returns it, or NULL with a line on `err`. */
static struct image_file *load_file(struct image *image, const char *what, const char *path,
                                    FILE *err)
{
    struct file_content content;
    struct sysinfo host;
    char why[256];
    uint64_t limit = sysinfo(&host) ? UINT64_MAX : (uint64_t)host.totalram * host.mem_unit;
    if (file_read(path, limit, &content, why, sizeof(why))) {
        fprintf(err, "atoll: %s '%s' %s\n", what, path, why);
        return NULL;
    }
    image->files = config_grow(image->files, image->file_count, sizeof(*image->files));
    struct image_file *file = &image->files[image->file_count++];
    *file = (struct image_file){.content = content};
    return file;
}

/* The loader checks the kernel's segments before it copies them; here only a wrong file is told
 * from the right one, while the path is still known. */
static int load_kernel(struct image *image, const char *path, FILE *err)
{
    const struct image_file *file = load_file(image, "the kernel", path, err);
    Elf64_Ehdr header;
    if (!file)
        return -1;
    if (file->content.size >= sizeof(header)) {
        memcpy(&header, file->content.bytes, sizeof(header));
        if (!memcmp(header.e_ident, ELFMAG, SELFMAG) && header.e_ident[EI_CLASS] == ELFCLASS64 &&
            header.e_machine == EM_X86_64 && header.e_type == ET_EXEC)
            return 0;
    }
    fprintf(err,
            "atoll: the kernel '%s' is not an x86-64 ELF executable; atoll-kernel.elf would be "
            "right\n",
            path);
    return -1;
}

/* The index of the file at `path`, after reading it; -1 with a line on `err`. Two paths that lead
 * to one file share its bytes. */
static int64_t read_program(struct image *image, const char *path, FILE *err)
{
    const struct image_file *file = load_file(image, "the program", path, err);
    if (!file)
        return -1;
    for (size_t i = 1; i + 1 < image->file_count; i++) {
        const struct file_content *other = &image->files[i].content;
        if (other->device == file->content.device && other->inode == file->content.inode &&
            other->size == file->content.size) {
            file_free(&image->files[--image->file_count].content);
            return (int64_t)i;
        }
    }
    return file - image->files;
}

/* Says in programs[index] which file instance `index` runs; programs[0..index) are known. Returns
 * 0, or -1 with a line on `err`. */
static int load_program(struct image *image, const struct machine_config *machine, size_t index,
                        int64_t *programs, FILE *err)
{
    const struct instance_config *instance = &machine->instances[index];
    size_t same = 0;
    while (same < index && strcmp(machine->instances[same].program, instance->program))
        same++;
    programs[index] = same < index ? programs[same] : read_program(image, instance->program, err);
    if (programs[index] < 0)
        return -1;
    const struct file_content *content = &image->files[programs[index]].content;
    char why[256];
    const char *refusal =
        elf_refusal(content->bytes, content->size, instance->memory, why, sizeof(why));
    if (!refusal)
        return 0;
    /* config_check has seen it otherwise. */
    fprintf(err, "atoll: the program '%s' has been changed meanwhile: it now %s\n",
            instance->program, refusal);
    return -1;
}

/* Reserves `bytes` of details, aligned to 4. Returns where they are; the extent says where they
 * will lie in the image. */
static uint8_t *add_details(struct image *image, uint64_t start, uint64_t bytes,
                            struct machine_extent *extent)
{
    uint64_t offset = (image->details_size + 3) / 4 * 4;
    uint8_t *details = realloc(image->details, offset + bytes + 1);
    if (!details)
        return NULL;
    memset(details + image->details_size, 0, offset + bytes + 1 - image->details_size);
    image->details = details;
    image->details_size = offset + bytes;
    *extent = (struct machine_extent){.offset = start + offset, .size = bytes};
    return details + offset;
}

static bool add_strings(struct image *image, uint64_t start, char *const *strings, size_t count,
                        struct machine_extent *extent)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(strings[i]) + 1;
    uint8_t *at = add_details(image, start, bytes, extent);
    for (size_t i = 0; at && i < count; i++) {
        size_t length = strlen(strings[i]) + 1;
        memcpy(at, strings[i], length);
        at += length;
    }
    return at != NULL;
}

static uint32_t instance_flags(const struct machine_config *machine,
                               const struct instance_config *instance,
                               const struct run_options *options)
{
    uint32_t flags = 0;
    if (options->stdin_name ? !strcmp(options->stdin_name, instance->name)
                            : machine->instance_count == 1)
        flags |= MACHINE_FLAG_STDIN;
    if (options->strace_name ? !strcmp(options->strace_name, instance->name) : options->strace)
        flags |= MACHINE_FLAG_STRACE;
    if (instance->mount_count)
        flags |= MACHINE_FLAG_MOUNTS;
    /* A program's C library then writes line by line, and its output appears while it runs. */
    if (isatty(STDOUT_FILENO))
        flags |= MACHINE_FLAG_TTY;
    return flags;
}

/* A job's number: that of its first instance, from 1 on. 0: of none. */
static uint32_t job_number(const struct machine_config *machine, const char *job)
{
    for (size_t i = 0; job && i < machine->instance_count; i++)
        if (machine->instances[i].job && !strcmp(machine->instances[i].job, job))
            return (uint32_t)i + 1;
    return 0;
}

/* Fills in entry `index`; `start` is where the details begin in the image. The program's extent
 * comes later, when the files' places are known. Returns false when memory has run out. */
static bool fill_entry(struct image *image, const struct machine_config *machine, size_t index,
                       uint64_t start, const struct run_options *options)
{
    const struct instance_config *instance = &machine->instances[index];
    struct machine_instance *entry = &image->entries[index];
    entry->generation = 1;
    entry->memory = instance->memory;
    entry->job = job_number(machine, instance->job);
    entry->argument_count = (uint32_t)instance->argument_count;
    entry->environment_count = (uint32_t)instance->environment_count;
    entry->log_level = options->log;
    entry->flags = instance_flags(machine, instance, options);
    if ((entry->flags & MACHINE_FLAG_STRACE) && entry->log_level < MACHINE_LOG_INFO)
        entry->log_level = MACHINE_LOG_INFO; /* where the calls are written */
    snprintf(entry->name, sizeof(entry->name), "%s", instance->name);
    char *absolute = realpath(instance->program, NULL);
    snprintf(entry->program_path, sizeof(entry->program_path), "%s",
             absolute ? absolute : instance->program);
    free(absolute);

    uint64_t bytes = instance->core_count * sizeof(uint32_t);
    uint8_t *cores = add_details(image, start, bytes, &entry->cores);
    if (!cores)
        return false;
    memcpy(cores, instance->cores, bytes);
    return add_strings(image, start, instance->arguments, instance->argument_count,
                       &entry->arguments) &&
           add_strings(image, start, instance->environment, instance->environment_count,
                       &entry->environment);
}

int image_load(struct image *image, const struct machine_config *machine,
               const struct run_options *options, FILE *err)
{
    size_t count = machine->instance_count;
    *image = (struct image){0};
    image->table = (struct machine_table){.magic = MACHINE_MAGIC,
                                          .version = MACHINE_VERSION,
                                          .size = sizeof(struct machine_table),
                                          .build_id = ATOLL_BUILD_ID_BYTES,
                                          .instances = (uint32_t)count,
                                          .cores = machine->cores};
    image->entries = config_allocate(count, sizeof(*image->entries));
    int64_t *programs = config_allocate(count, sizeof(*programs));

    if (load_kernel(image, options->kernel, err))
        goto fail;
    for (size_t i = 0; i < count; i++)
        if (load_program(image, machine, i, programs, err))
            goto fail;

    image->table.entries.offset = sizeof(struct machine_table);
    image->table.entries.size = count * sizeof(struct machine_instance);
    uint64_t details = image->table.entries.offset + image->table.entries.size;
    for (size_t i = 0; i < count; i++)
        if (!fill_entry(image, machine, i, details, options)) {
            fprintf(err, "atoll: not enough memory for the machine table\n");
            goto fail;
        }

    /* The files are in memory already, so their sizes cannot add up to more than 64 bits. */
    uint64_t offset = page_up(details + image->details_size);
    for (size_t i = 0; i < image->file_count; i++) {
        image->files[i].offset = offset;
        offset += page_up(image->files[i].content.size);
    }
    image->bytes = offset;
    image->table.kernel = (struct machine_extent){.offset = image->files[0].offset,
                                                  .size = image->files[0].content.size};
    for (size_t i = 0; i < count; i++) {
        const struct image_file *file = &image->files[programs[i]];
        image->entries[i].program =
            (struct machine_extent){.offset = file->offset, .size = file->content.size};
    }
    free(programs);
    return 0;

fail:
    free(programs);
    image_free(image);
    return -1;
}

uint64_t image_bytes(const struct image *image)
{
    return image->bytes;
}

void image_write(const struct image *image, uint8_t *lagoon_base, uint64_t at_offset,
                 struct machine_extent *table)
{
    uint8_t *base = lagoon_base + at_offset;
    struct machine_table placed = image->table;
    placed.kernel.offset += at_offset;
    placed.entries.offset += at_offset;
    memcpy(base, &placed, sizeof(placed));

    uint64_t at = image->table.entries.offset;
    for (size_t i = 0; i < image->table.instances; i++) {
        struct machine_instance entry = image->entries[i];
        entry.cores.offset += at_offset;
        entry.program.offset += at_offset;
        entry.arguments.offset += at_offset;
        entry.environment.offset += at_offset;
        memcpy(base + at, &entry, sizeof(entry));
        at += sizeof(entry);
    }
    memcpy(base + at, image->details, image->details_size);
    at += image->details_size;
    /* Each file, after zeros up to where it begins; zeros behind the last one too. */
    for (size_t i = 0; i < image->file_count; i++) {
        const struct image_file *file = &image->files[i];
        memset(base + at, 0, file->offset - at);
        memcpy(base + file->offset, file->content.bytes, file->content.size);
        at = file->offset + file->content.size;
    }
    memset(base + at, 0, image->bytes - at);
    *table = (struct machine_extent){.offset = at_offset, .size = sizeof(placed)};
}

void image_free(struct image *image)
{
    for (size_t i = 0; i < image->file_count; i++)
        file_free(&image->files[i].content);
    free(image->files);
    free(image->entries);
    free(image->details);
    *image = (struct image){0};
}
