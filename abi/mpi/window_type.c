/* Datatypes as bytes, for a target that has to know where an origin's data goes: the tree of parts
 * that a type was built of, in the order of the builders' arguments, as words of 8 bytes. */
#include "abi/mpi/window.h"

#include <stdlib.h>

enum word { WORD_PREDEFINED, WORD_REGULAR, WORD_MEMBERS, WORD_MIXED };

#define DEPTH_MOST 1000 /* of types in types */

/* --- Writing -----------------------------------------------------------------------------------
 */

struct words {
    int64_t *at; /* NULL: they are only counted */
    int64_t count;
};

static void write_word(struct words *words, int64_t word)
{
    if (words->at != NULL)
        words->at[words->count] = word;
    words->count++;
}

static void write_type(struct words *words, const struct datatype *type)
{
    const struct datatype_parts *parts = type->parts;
    if (type->predefined) {
        write_word(words, WORD_PREDEFINED);
        write_word(words, (int64_t)(intptr_t)type->handle);
        return;
    }
    bool mixed = parts->form == PARTS_MEMBERS && parts->types != NULL;
    write_word(words, mixed                          ? WORD_MIXED
                      : parts->form == PARTS_REGULAR ? WORD_REGULAR
                                                     : WORD_MEMBERS);
    write_word(words, type->lb);
    write_word(words, type->extent);
    write_word(words, parts->count);
    if (parts->form == PARTS_REGULAR) {
        write_word(words, parts->length);
        write_word(words, parts->stride);
    }
    for (int64_t i = 0; parts->form == PARTS_MEMBERS && i < parts->count; i++) {
        write_word(words, parts->lengths[i]);
        write_word(words, parts->displacements[i]);
        if (mixed)
            write_type(words, parts->types[i]);
    }
    if (!mixed)
        write_type(words, parts->element != NULL ? parts->element : datatype_of(MPI_BYTE));
}

uint8_t *window_type_write(const struct datatype *type, int64_t *length)
{
    struct words words = {NULL, 0};
    write_type(&words, type);
    *length = words.count * (int64_t)sizeof(int64_t);
    words = (struct words){malloc((size_t)*length), 0};
    if (words.at == NULL)
        mpi_die(MPI_ERR_NO_MEM, "no memory to tell another rank of a datatype");
    write_type(&words, type);
    return (uint8_t *)words.at;
}

/* --- Reading -----------------------------------------------------------------------------------
 */

struct reading {
    const uint8_t *at;
    int64_t left; /* words */
    int depth;
};

static bool read_word(struct reading *reading, int64_t *word)
{
    if (reading->left == 0)
        return false;
    memcpy(word, reading->at, sizeof(*word));
    reading->at += sizeof(*word);
    reading->left--;
    return true;
}

static struct datatype *read_type(struct reading *reading);

static struct datatype *read_regular(struct reading *reading, int64_t count)
{
    int64_t length, stride;
    int error;
    if (!read_word(reading, &length) || !read_word(reading, &stride) || length < 0)
        return NULL;
    struct datatype *element = read_type(reading);
    if (element == NULL)
        return NULL;
    struct datatype *type = datatype_regular(count, length, stride, element, &error);
    datatype_release(element);
    return type;
}

static struct datatype *read_members(struct reading *reading, int64_t count, bool mixed)
{
    struct datatype *type = NULL, *element = NULL;
    int error;
    if (count > reading->left) /* each takes a word at least */
        return NULL;
    size_t room = count != 0 ? (size_t)count : 1;
    int64_t *lengths = calloc(room, sizeof(*lengths));
    int64_t *displacements = calloc(room, sizeof(*displacements));
    struct datatype **types = calloc(room, sizeof(*types));
    bool sound = lengths != NULL && displacements != NULL && types != NULL;
    for (int64_t i = 0; sound && i < count; i++) {
        sound = read_word(reading, &lengths[i]) && read_word(reading, &displacements[i]) &&
                lengths[i] >= 0;
        if (sound && mixed)
            sound = (types[i] = read_type(reading)) != NULL;
    }
    if (sound && !mixed)
        sound = (element = read_type(reading)) != NULL;
    if (sound)
        type =
            datatype_members(count, lengths, displacements, mixed ? types : NULL, element, &error);
    for (int64_t i = 0; types != NULL && i < count; i++)
        if (types[i] != NULL)
            datatype_release(types[i]);
    if (element != NULL)
        datatype_release(element);
    free(lengths);
    free(displacements);
    free(types);
    return type;
}

static struct datatype *read_derived(struct reading *reading, int64_t form)
{
    int64_t lb, extent, count;
    int error;
    if (!read_word(reading, &lb) || !read_word(reading, &extent) || !read_word(reading, &count) ||
        count < 0)
        return NULL;
    struct datatype *type = form == WORD_REGULAR ? read_regular(reading, count)
                                                 : read_members(reading, count, form == WORD_MIXED);
    if (type == NULL || (type->lb == lb && type->extent == extent))
        return type;
    struct datatype *resized = datatype_resized(type, lb, extent, &error);
    datatype_release(type);
    return resized;
}

static struct datatype *read_type(struct reading *reading)
{
    int64_t form, handle;
    struct datatype *type = NULL;
    if (reading->depth >= DEPTH_MOST || !read_word(reading, &form))
        return NULL;
    reading->depth++;
    if (form >= WORD_REGULAR && form <= WORD_MIXED)
        type = read_derived(reading, form);
    else if (form == WORD_PREDEFINED && read_word(reading, &handle) && handle >= DATATYPE_FIRST &&
             handle < DATATYPE_FIRST + DATATYPE_CONSTANTS)
        type = datatype_predefined[handle - DATATYPE_FIRST];
    reading->depth--;
    return type;
}

struct datatype *window_type_read(const uint8_t *bytes, int64_t length)
{
    struct reading reading = {bytes, length / (int64_t)sizeof(int64_t), 0};
    struct datatype *type = read_type(&reading);
    if (type != NULL && !type->predefined)
        type->committed = true;
    return type;
}
