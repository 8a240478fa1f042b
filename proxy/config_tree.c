/* YAML text to a tree, from libyaml's events. The events, rather than libyaml's own documents,
 * because only they show anchors, and because every node must know its line and column. */
#include "proxy/config_tree.h"
#include "proxy/config_build.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* libyaml's time grows with the square of the nesting and of the number of %TAG directives. A
 * machine file needs four levels and no directive, so these limits take nothing from anyone. */
#define DEPTH_MAX 1000
#define TAG_DIRECTIVES_MAX 1000

struct tree_builder {
    struct tree *tree;
    size_t depth;           /* collections that have not ended */
    struct tree_node *open; /* the innermost collection that has not ended, where nodes go */
    struct config_report *report;
};

static struct config_place place_of(yaml_mark_t mark)
{
    return (struct config_place){(int)mark.line + 1, (int)mark.column + 1};
}

static struct tree_node *add_node(struct tree_builder *builder, enum tree_kind kind,
                                  const yaml_event_t *event)
{
    struct tree_node *node = config_allocate(1, sizeof(*node));
    node->kind = kind;
    node->place = place_of(event->start_mark);
    node->before = builder->tree->newest;
    builder->tree->newest = node;
    node->parent = builder->open;
    if (builder->open) {
        struct tree_node *parent = builder->open;
        parent->children = config_grow(parent->children, parent->count, sizeof(*parent->children));
        parent->children[parent->count++] = node;
    } else {
        builder->tree->root = node;
    }
    return node;
}

/* Returns false when it lies too deep: then nothing more is to be read. */
static bool open_collection(struct tree_builder *builder, enum tree_kind kind,
                            const yaml_event_t *event)
{
    if (builder->depth == DEPTH_MAX) {
        config_fault(builder->report, place_of(event->start_mark),
                     "this is nested %d levels deep; a machine file needs four", DEPTH_MAX);
        return false;
    }
    builder->depth++;
    builder->open = add_node(builder, kind, event);
    return true;
}

static void refuse_extras(struct tree_builder *builder, const yaml_event_t *event,
                          const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct config_place place = place_of(event->start_mark);
    if (anchor)
        config_fault(builder->report, place,
                     "anchors are not taken in a machine file (&%.80s); write the value out",
                     (const char *)anchor);
    if (tag)
        config_fault(builder->report, place,
                     "tags are not taken in a machine file (%.80s); leave it out",
                     (const char *)tag);
}

/* Takes one event. Returns false when there is nothing more to read. */
static bool take_event(struct tree_builder *builder, const yaml_event_t *event)
{
    struct tree_node *node;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        refuse_extras(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
        node = add_node(builder, TREE_SCALAR, event);
        node->length = event->data.scalar.length;
        node->text = config_copy((const char *)event->data.scalar.value, node->length);
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        return true;
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(builder, event, event->data.sequence_start.anchor,
                      event->data.sequence_start.tag);
        return open_collection(builder, TREE_SEQUENCE, event);
    case YAML_MAPPING_START_EVENT:
        refuse_extras(builder, event, event->data.mapping_start.anchor,
                      event->data.mapping_start.tag);
        return open_collection(builder, TREE_MAPPING, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        if (builder->open) { /* libyaml lets no end come without its start */
            builder->open = builder->open->parent;
            builder->depth--;
        }
        return true;
    case YAML_ALIAS_EVENT:
        config_fault(builder->report, place_of(event->start_mark),
                     "aliases are not taken in a machine file (*%.80s); write the value out",
                     (const char *)event->data.alias.anchor);
        /* Something must stand in its place, or keys and values would change roles behind it. */
        node = add_node(builder, TREE_SCALAR, event);
        node->text = config_copy("", 0);
        node->refused = true;
        return true;
    case YAML_DOCUMENT_START_EVENT:
        if (!builder->tree->root)
            return true;
        config_fault(builder->report, place_of(event->start_mark),
                     "a second document begins here; a machine file has one");
        return false;
    case YAML_STREAM_END_EVENT:
        return false;
    default: /* the stream's start, the document's end */
        return true;
    }
}

/* libyaml gives a mark for faults of the grammar, and only an offset for faults of the encoding. */
static struct config_place problem_place(const yaml_parser_t *parser, const char *text,
                                         size_t length)
{
    if (parser->error != YAML_READER_ERROR)
        return place_of(parser->problem_mark);
    struct config_place place = {1, 1};
    for (size_t i = 0; i < length && i < parser->problem_offset; i++) {
        place.column++;
        if (text[i] == '\n')
            place = (struct config_place){place.line + 1, 1};
    }
    return place;
}

static bool too_many_tag_directives(const char *text, size_t length)
{
    static const char directive[] = "%TAG";
    const char *end = text + length;
    size_t count = 0;
    while ((text = memmem(text, (size_t)(end - text), directive, strlen(directive)))) {
        text += strlen(directive);
        if (++count > TAG_DIRECTIVES_MAX)
            return true;
    }
    return false;
}

int tree_read(struct tree *tree, const char *text, size_t length, struct config_report *report)
{
    struct tree_builder builder = {.tree = tree, .report = report};
    yaml_parser_t parser;
    yaml_event_t event;
    bool more = true;
    *tree = (struct tree){0};
    if (too_many_tag_directives(text, length)) {
        config_fault(report, (struct config_place){0},
                     "there are more than %d %%TAG directives; a machine file needs none",
                     TAG_DIRECTIVES_MAX);
        return -1;
    }
    if (!yaml_parser_initialize(&parser)) {
        config_fault(report, (struct config_place){0}, "there is not enough memory to read it");
        return -1;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    while (more) {
        if (!yaml_parser_parse(&parser, &event)) {
            config_fault(report, problem_place(&parser, text, length),
                         "this is not YAML: %.80s%s%.80s",
                         parser.problem ? parser.problem : "out of memory",
                         parser.context ? ", " : "", parser.context ? parser.context : "");
            break;
        }
        more = take_event(&builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (!more)
        return 0;
    tree_free(tree);
    return -1;
}

void tree_free(struct tree *tree)
{
    while (tree->newest) {
        struct tree_node *node = tree->newest;
        tree->newest = node->before;
        free(node->text);
        free(node->children);
        free(node);
    }
    tree->root = NULL;
}
