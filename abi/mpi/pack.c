/* Typed buffers as streams of bytes: packing, unpacking and copying any part of one. */

#include "abi/mpi/datatype.h"

#include <string.h>

/* A whole stream as a layout: `count` times the type. The loop, when one is needed, stands in the
 * caller's frame. */
static struct layout_reference stream_layout(const struct datatype_stream *stream,
                                             struct layout *loop)
{
    const struct datatype *type = stream->type;

    if (stream->count == 1)
        return type->layout;
    atomic_init(&loop->references, 0);
    loop->kind = LAYOUT_LOOP;
    loop->size = stream->bytes;
    loop->count = stream->count;
    loop->stride = type->extent;
    loop->child = type->layout.node;
    return (struct layout_reference){loop, type->layout.offset};
}

void datatype_pack(const struct datatype_stream *stream, int64_t from, int64_t length, void *packed)
{
    struct layout loop;

    if (length == 0)
        return;
    if (stream->type->contiguous)
        memcpy(packed, stream->buffer + from, (size_t)length);
    else
        layout_pack(stream_layout(stream, &loop), stream->buffer, from, from + length, packed);
}

void datatype_unpack(const struct datatype_stream *stream, int64_t from, int64_t length,
                     const void *packed)
{
    struct layout loop;

    if (length == 0)
        return;
    if (stream->type->contiguous)
        memcpy(stream->buffer + from, packed, (size_t)length);
    else
        layout_unpack(stream_layout(stream, &loop), stream->buffer, from, from + length, packed);
}

char *datatype_in_one_piece(const struct datatype_stream *stream)
{
    const struct datatype *type = stream->type;

    if (stream->bytes == 0)
        return NULL;
    if (type->contiguous)
        return stream->buffer;
    if (stream->count == 1 && type->layout.node->kind == LAYOUT_RUN)
        return (char *)((uintptr_t)stream->buffer + (uintptr_t)type->layout.offset);
    return NULL;
}

char *datatype_piece(const struct datatype_stream *stream, int64_t from, int64_t *length)
{
    struct layout loop;

    if (stream->type->contiguous) {
        *length = stream->bytes - from;
        return stream->buffer + from;
    }
    return (char *)((uintptr_t)stream->buffer +
                    (uintptr_t)layout_find(stream_layout(stream, &loop), from, length));
}

void datatype_copy(const struct datatype_stream *to, const struct datatype_stream *from)
{
    int64_t length = to->bytes < from->bytes ? to->bytes : from->bytes;
    char *piece;
    char between[8192]; /* stays in the first-level cache */

    if (length == 0)
        return;
    piece = datatype_in_one_piece(from);
    if (piece) {
        datatype_unpack(to, 0, length, piece);
        return;
    }
    piece = datatype_in_one_piece(to);
    if (piece) {
        datatype_pack(from, 0, length, piece);
        return;
    }
    for (int64_t position = 0; position < length;) {
        int64_t part = length - position;

        if (part > (int64_t)sizeof(between))
            part = sizeof(between);
        datatype_pack(from, position, part, between);
        datatype_unpack(to, position, part, between);
        position += part;
    }
}
