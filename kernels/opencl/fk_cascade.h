/* What the cascade's kernels share: the flat form of a cascade, and where the levels of a picture lie on a device. Compiled by
 * C++ and by OpenCL C; 32-bit fields only. */
#ifndef FK_CASCADE_H
#define FK_CASCADE_H

/* A node with the places of its block corners relative to the window's origin in the integral image. */
typedef struct fk_cascade_node {
    int corners[16]; /* Haar: three rectangles of four; LBP: the 4x4 grid, row by row */
    float weights[3];
    int rects; /* Haar: 2 or 3 rectangles that count */
    float threshold;
    int table;                     /* LBP: index of the first of 256 table entries */
    float left_value, right_value; /* stump: what a window gets */
    int left, right;               /* tree: child node of the same tree (> 0) or minus its leaf */
    int tilted;                    /* corners are in the tilted image */
} fk_cascade_node;

typedef struct fk_cascade_tree {
    int first_node, node_count, first_leaf;
} fk_cascade_tree;

typedef struct fk_cascade_stage {
    int first_tree, tree_count;
    float threshold;
} fk_cascade_stage;

/* The scan of a picture on a device. The images of all levels lie in one plane with lines of `stride` elements, one beside and
 * below the other, so that a node's corners are the same distances everywhere. */
typedef struct fk_cascade_shape {
    int height, width;   /* of the picture */
    int stride, lines;   /* of the plane */
    int levels, rows;    /* rows of pixels of all levels */
    int pixels;          /* of all levels */
    int widest, highest; /* pixels of the finest level */
    int window_rows;     /* rows of windows of all levels */
    int windows;         /* of all levels */
    int pitch;           /* number of a window: its row * pitch + its column */
    int window_height, window_width;
    int lbp, stumps, cumulative, tilted;
    int stages;
} fk_cascade_shape;

typedef struct fk_cascade_level {
    int width, height;
    int origin;        /* of its images in the plane: [height + 1, width + 1] */
    int taps;          /* the first of its taps across */
    int step, columns; /* pixels from a window to the next, windows of a row */
    float scale;
} fk_cascade_level;

/* A row of pixels of a level: bilinear between the picture's rows upper and upper + 1. */
typedef struct fk_cascade_row {
    int level, y;
    int upper, weight; /* weight of the lower one, in 1/256 */
} fk_cascade_row;

/* The same across, for one column of a level. */
typedef struct fk_cascade_tap {
    int left, weight;
} fk_cascade_tap;

typedef struct fk_cascade_window_row {
    int level, y; /* of the windows' upper edge, pixels of the level */
} fk_cascade_window_row;

#endif
