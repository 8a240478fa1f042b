/* A whole file in private memory, so that whoever changes the file meanwhile changes nothing here
 * and a file that shrinks cannot fault us. */
#ifndef PROXY_FILE_H
#define PROXY_FILE_H

#include <stddef.h>
#include <stdint.h>

struct file_content {
    uint8_t *bytes;         /* 16-byte aligned; never NULL once read, even for an empty file */
    uint64_t size;          /* bytes */
    uint64_t device, inode; /* which file it was: two paths may lead to one */
};

/* Reads the regular file `path`, of at most `limit` bytes. Returns 0, or -1 with what is wrong in
 * words in `why` ("does not exist", "is a directory", ...), to stand behind the file's name. Never
 * waits for a pipe or a device: they are refused. */
int file_read(const char *path, uint64_t limit, struct file_content *content, char *why,
              size_t capacity);

void file_free(struct file_content *content);

#endif
