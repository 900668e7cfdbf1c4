/* The resolved shapes of layers on bytes as devices take them: also what the bytes stand for. See fk_shapes.h for the rules
 * of such structs. Bytes are kept in blocked channels [n, ceil(c / 16), h, w, 16] as on the processor. */
#ifndef FK_INT8_SHAPES_H
#define FK_INT8_SHAPES_H

/* y = clip( round( (S multiplier[o] + offset[o]) + r residual_multiplier ), low, high ); depthwise_int8: groups = ic = oc. */
typedef struct fk_conv2d_int8_shape {
    int n, ic, ih, iw;
    int oc, oh, ow;
    int kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int dilation_h, dilation_w;
    int groups;
    int zero_point; /* of x */
    float residual_multiplier;
    float low, high;
} fk_conv2d_int8_shape;

typedef struct fk_dense_int8_shape {
    int n, channels, pixels, out;
    int floats; /* 1: y is float32 [n, out], not rounded */
    int zero_point;
    float low, high;
} fk_dense_int8_shape;

typedef struct fk_pool_int8_shape {
    int n, c, ih, iw;
    int oh, ow;
    int kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int average, count_include_pad;
    int x_zero;
    float ratio, y_zero; /* scale of x over that of y; zero point of y */
} fk_pool_int8_shape;

typedef struct fk_add_int8_shape {
    int n, size; /* bytes of an image, in whole blocks of 16 */
    float x1_factor, x2_factor, offset;
    float low, high;
} fk_add_int8_shape;

typedef struct fk_lookup_int8_shape {
    int n, size; /* bytes of an image, in whole blocks of 16 */
} fk_lookup_int8_shape;

/* One piece, into its place in y [n, c, pixels]. */
typedef struct fk_concat_int8_shape {
    int n, pixels, c;
    int channels, first; /* of the piece; its first channel in y */
} fk_concat_int8_shape;

/* Between float32 [n, channels, pixels] and bytes. */
typedef struct fk_quantize_shape {
    int n, channels, pixels;
    int to_floats; /* 1: x = (q - zero_point) scale; 0: q = clip( round( x inverse + zero_point ), 0, 255 ) */
    int zero_point;
    float scale, inverse;
} fk_quantize_shape;

#endif
