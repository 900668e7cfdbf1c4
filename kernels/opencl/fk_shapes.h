/* The resolved shapes that every backend sees. Compiled by C++ and by OpenCL C alike: 32-bit fields only, no pointers,
 * so that both compilers lay them out the same. The fields are filled by the op's infer() and by nothing else. */
#ifndef FK_SHAPES_H
#define FK_SHAPES_H

/* Pointwise function applied where a result is stored. `alpha` is the slope or scale of those that have one. */
enum {
    FK_ACTIVATION_NONE = 0,
    FK_ACTIVATION_RELU = 1,
    FK_ACTIVATION_RELU6 = 2,
    FK_ACTIVATION_LEAKY_RELU = 3, /* x < 0 ? alpha x : x */
    FK_ACTIVATION_SIGMOID = 4,
    FK_ACTIVATION_TANH = 5,
    FK_ACTIVATION_HARD_SWISH = 6, /* x clip(x + 3, 0, 6) / 6 */
    FK_ACTIVATION_SILU = 7,       /* x / (1 + e^-x) */
    FK_ACTIVATION_ELU = 8         /* x < 0 ? alpha (e^x - 1) : x */
};

/* Convolution of x [n, ic, ih, iw] with w [oc, ic / groups, kh, kw] into y [n, oc, oh, ow]. */
typedef struct fk_conv2d_shape {
    int n, ic, ih, iw;
    int oc, oh, ow;
    int kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int dilation_h, dilation_w;
    int groups;
    int activation;
    float alpha;
} fk_conv2d_shape;

#endif
