/* A YAML document as a tree of nodes that know where they stand; for config_yaml.c only. */
#ifndef PROXY_CONFIG_TREE_H
#define PROXY_CONFIG_TREE_H

#include "proxy/config.h"

enum tree_kind { TREE_SCALAR, TREE_SEQUENCE, TREE_MAPPING };

struct tree_node {
    enum tree_kind kind;
    struct config_place place;
    char *text;                  /* scalar: NUL-terminated, but may hold NULs before that */
    size_t length;               /* bytes of `text` */
    bool plain;                  /* scalar: written without quotes */
    bool refused;                /* stands for an alias, which has been reported as a fault */
    struct tree_node **children; /* mapping: key, value, key, value... */
    size_t count;                /* of children */
    struct tree_node *parent;    /* NULL: the root */
    struct tree_node *before;    /* made before this one: how tree_free finds them all */
};

struct tree {
    struct tree_node *root;   /* NULL: the document is empty */
    struct tree_node *newest; /* head of the list of all nodes */
};

/* Reads one YAML document. Anchors, aliases, tags and further documents are faults. Returns 0 (with
 * or without faults: the tree is whole), or -1 when the text is no YAML, with the fault reported;
 * then the tree is empty. Collections may be nested 1000 deep; nothing recurses with the depth. */
int tree_read(struct tree *tree, const char *text, size_t length, struct config_report *report);

void tree_free(struct tree *tree);

#endif
