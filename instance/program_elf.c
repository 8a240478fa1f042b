/* Reading a program's ELF file: which parts go where. The proxy has checked the file before, but it
 * lies in memory that this kernel does not own: all that is used is copied once and checked here.
 * Touches nothing but [image, image + size). */
#include "instance/program.h"

#include "abi/program.h"
#include "instance/mm/frames.h"
#include "instance/mm/kmalloc.h"
#include "instance/platform/platform.h"
#include "instance/string.h"

#include <errno.h>
#include <linux/elf.h>
#include <linux/mman.h>

#define PROGRAM_HEADERS_MAX 65536 /* bytes of program headers, Linux's limit */

static bool program_range_inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

/* Checks the file's header. Returns NULL, or what is wrong with it. */
static const char *program_check_header(const Elf64_Ehdr *header)
{
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return "not an ELF file";
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_X86_64)
        return "not for x86-64";
    if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
        return "of an unknown ELF version";
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
        return "not an executable";
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
        header->e_phnum * sizeof(Elf64_Phdr) > PROGRAM_HEADERS_MAX)
        return "its program headers have a wrong size or count";
    return NULL;
}

static int program_protection(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
           (flags & PF_X ? PROT_EXEC : 0);
}

/* Checks one PT_LOAD against the file's size. Returns NULL, or what is wrong with it. */
static const char *program_check_load(const Elf64_Phdr *load, uint64_t size, uint64_t limit)
{
    if (load->p_filesz > load->p_memsz)
        return "a segment is larger in the file than in memory";
    if (!program_range_inside(load->p_offset, load->p_filesz, size))
        return "a segment lies outside the file";
    if (load->p_align > 1 && (load->p_align & (load->p_align - 1)) != 0)
        return "a segment's alignment is not a power of two";
    if (load->p_filesz != 0 && (load->p_vaddr - load->p_offset) % PAGE_SIZE != 0)
        return "a segment's address and file offset do not agree";
    if (!program_range_inside(load->p_vaddr, load->p_memsz, limit))
        return "a segment lies outside the program's address space";
    return NULL;
}

/* The base of a position-independent program: Linux's, aligned as its segments ask. */
static uint64_t program_choose_base(const Elf64_Phdr *headers, unsigned count)
{
    uint64_t alignment = PAGE_SIZE;
    for (unsigned i = 0; i < count; i++) {
        if (headers[i].p_type == PT_LOAD && headers[i].p_align > alignment &&
            (headers[i].p_align & (headers[i].p_align - 1)) == 0)
            alignment = headers[i].p_align;
    }
    return program_pie_base(alignment);
}

static bool program_entry_is_code(const struct program_layout *layout)
{
    for (size_t i = 0; i < layout->segment_count; i++) {
        const struct program_segment *segment = &layout->segments[i];
        if ((segment->protection & PROT_EXEC) && layout->entry >= segment->address &&
            layout->entry - segment->address < segment->memory_size)
            return true;
    }
    return false;
}

/* Fills in the layout from copies of the headers. Returns NULL, or what is wrong. */
static const char *program_lay_out(const Elf64_Ehdr *header, const Elf64_Phdr *headers,
                                   uint64_t size, uint64_t limit, struct program_layout *layout)
{
    layout->base = header->e_type == ET_DYN ? program_choose_base(headers, header->e_phnum) : 0;
    if (layout->base >= limit || (header->e_type == ET_DYN && layout->base < PROGRAM_FLOOR))
        return "a segment's alignment leaves no place for it";
    layout->entry = layout->base + header->e_entry;
    layout->header_count = header->e_phnum;

    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *at = &headers[i];
        if (at->p_type == PT_INTERP)
            return "dynamically linked; only static programs run here (link with -static)";
        if (at->p_type == PT_GNU_STACK)
            layout->executable_stack = at->p_flags & PF_X;
        if (at->p_type != PT_LOAD || at->p_memsz == 0)
            continue;
        const char *fault = program_check_load(at, size, limit - layout->base);
        if (fault != NULL)
            return fault;
        uint64_t address = layout->base + at->p_vaddr;
        if (address < PROGRAM_FLOOR)
            return "a segment lies below the lowest program address (64 KiB)";
        const struct program_segment *last = layout->segments + layout->segment_count - 1;
        if (layout->segment_count != 0 && address < last->address + last->memory_size)
            return "its segments overlap, or are not in ascending order";
        layout->segments[layout->segment_count++] =
            (struct program_segment){.address = address,
                                     .memory_size = at->p_memsz,
                                     .offset = at->p_offset,
                                     .file_size = at->p_filesz,
                                     .protection = program_protection(at->p_flags)};
        if (header->e_phoff >= at->p_offset &&
            program_range_inside(header->e_phoff - at->p_offset,
                                 header->e_phnum * sizeof(Elf64_Phdr), at->p_filesz))
            layout->headers = address + (header->e_phoff - at->p_offset);
        layout->end = (address + at->p_memsz + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    }
    if (layout->segment_count == 0)
        return "it has nothing to load";
    if (layout->end > limit)
        return "a segment lies outside the program's address space";
    return program_entry_is_code(layout) ? NULL : "its entry lies outside its code";
}

int program_parse(const uint8_t *image, uint64_t size, uint64_t limit,
                  struct program_layout *layout, const char **why)
{
    Elf64_Ehdr header;
    memset(layout, 0, sizeof(*layout));
    *why = "too short for an ELF file";
    if (size < sizeof(header))
        return -ENOEXEC;
    memcpy(&header, image, sizeof(header));
    *why = program_check_header(&header);
    if (*why != NULL)
        return -ENOEXEC;
    uint64_t length = header.e_phnum * sizeof(Elf64_Phdr);
    *why = "its program headers lie outside the file";
    if (!program_range_inside(header.e_phoff, length, size))
        return -ENOEXEC;

    Elf64_Phdr *headers = kmalloc(length);
    layout->segments = kmalloc(header.e_phnum * sizeof(*layout->segments));
    *why = "no memory for its headers";
    int result = -ENOMEM;
    if (headers != NULL && layout->segments != NULL) {
        memcpy(headers, image + header.e_phoff, length);
        *why = program_lay_out(&header, headers, size, limit, layout);
        result = *why == NULL ? 0 : -ENOEXEC;
    }
    kfree(headers);
    if (result != 0) {
        kfree(layout->segments);
        layout->segments = NULL;
    }
    return result;
}
