// A window's rows in vectors of VL pixels; only lanes inside the window count.
//
// Bilinear weights are the same for a whole window. With v = n + f, n whole, the sum over the window that an iteration needs is
//
//   b = sum J(x + v) g(x) - sum I(x) g(x) = sum_{i, j in {0, 1}} w_ij(f) S_ij - c,   S_ij = sum J(x + n + (j, i)) g(x).
//
// The four S depend on n alone: they are summed once for each n, and further iterations around the same pixel cost a dozen
// scalar operations. On real video a level takes 4 to 6 iterations and 1.5 to 2 different n. A grey level
// of the window is taken off I and J first: it cancels in b, and keeps the sums small.
#pragma once

#include "ops/flow_lk/leaf.hpp"

namespace fk::FK_ISA {
namespace {

FK_INLINE vf pixels(const uint8_t* p, int /*lanes*/) { return to_float(load_u8(p)); }
FK_INLINE vf pixels(const float* p, int lanes) { return lanes < VL ? load_n(p, lanes) : load(p); }

FK_INLINE int vectors(int n) { return (n + VL - 1) / VL; }

// Sums over the template's window, and where its pictures stand in the scratch.
struct Template {
    float a11, a12, a22; // G
    float c1, c2;        // sum (I - base) g
    float base;
    float *ix, *iy, *i; // gradient and I - base, 0 in lanes past the window
    int64_t stride;
};

// Pixels (x, y) ... of a level, side x side of them, readable in whole vectors: where they stand, or copied into the patch,
// mirrored at the border. Null where some are not built.
template <class T> const T* source(const FlowImage& a, int x, int y, int side, T* patch, int64_t patch_row, int64_t& row) {
    const int reach = vectors(side) * VL + 1;
    const T* pixels_at = static_cast<const T*>(a.pixels);
    if (x >= a.x0 && y >= a.y0 && x + side <= a.x1 && y + side <= a.y1 && x + reach <= a.readable) {
        row = a.row;
        return pixels_at + (y - a.y0) * a.row + (x - a.x0);
    }
    row = patch_row;
    for (int r = 0; r < side; ++r) {
        const int v = flow_reflect(y + r, a.height);
        if (v < a.y0 || v >= a.y1) {
            return nullptr;
        }
        const T* from = pixels_at + (v - a.y0) * a.row;
        for (int c = 0; c < side; ++c) {
            const int u = flow_reflect(x + c, a.width);
            if (u < a.x0 || u >= a.x1) {
                return nullptr;
            }
            patch[r * patch_row + c] = from[u - a.x0];
        }
    }
    return patch;
}

struct Bilinear {
    float w00, w01, w10, w11;
    Bilinear(float fx, float fy) : w00((1 - fx) * (1 - fy)), w01(fx * (1 - fy)), w10((1 - fx) * fy), w11(fx * fy) {}
    FK_INLINE vf at(const Bilinear& b, const float* p, int64_t stride) {
        const vf top = fma(splat(b.w01), load(p + 1), splat(b.w00) * load(p));
        return fma(splat(b.w11), load(p + stride + 1), fma(splat(b.w10), load(p + stride), top));
    }
};

// Scharr's filters times 32 at side x side pixels; p has a pixel more on every side.
void gradients(const float* p, int64_t stride, int side, float* gx, float* gy) {
    const vf three = splat(3.0F), ten = splat(10.0F);
    for (int r = 0; r < side; ++r) {
        for (int c = 0; c < side; c += VL) {
            const float* above = p + r * stride + c;
            const float* here = above + stride;
            const float* below = here + stride;
            const vf left_above = load(above), left_below = load(below);
            const vf right_above = load(above + 2), right_below = load(below + 2);
            const vf left = fma(ten, load(here), three * (left_above + left_below));
            const vf right = fma(ten, load(here + 2), three * (right_above + right_below));
            const vf sides = (left_below - left_above) + (right_below - right_above);
            store(gx + r * stride + c, right - left);
            store(gy + r * stride + c, fma(ten, load(below + 1) - load(above + 1), three * sides));
        }
    }
}

// There is no gradient beyond the border.
void hide_outside(const FlowImage& a, int x, int y, int side, int64_t stride, float* gx, float* gy) {
    if (x >= 0 && y >= 0 && x + side <= a.width && y + side <= a.height) {
        return;
    }
    for (int r = 0; r < side; ++r) {
        for (int c = 0; c < side; ++c) {
            if (y + r < 0 || y + r >= a.height || x + c < 0 || x + c >= a.width) {
                gx[r * stride + c] = gy[r * stride + c] = 0;
            }
        }
    }
}

// I, its gradient and their sums at the window between pixels; `inside` is 1 in lanes of the window.
void interpolate(const float* p, const float* gx, const float* gy, const Bilinear& w, int window, const float* inside,
                 Template& t) {
    vf a11 = zero(), a12 = zero(), a22 = zero(), c1 = zero(), c2 = zero();
    const vf base = splat(t.base), scale = splat(1.0F / 32);
    for (int r = 0; r < window; ++r) {
        for (int c = 0; c < window; c += VL) {
            const int64_t at = r * t.stride + c;
            const vm valid = gt(load(inside + c), zero());
            const vf i = select(valid, Bilinear::at(w, p + at + t.stride + 1, t.stride) - base, zero());
            const vf x = select(valid, Bilinear::at(w, gx + at, t.stride) * scale, zero());
            const vf y = select(valid, Bilinear::at(w, gy + at, t.stride) * scale, zero());
            store(t.i + at, i);
            store(t.ix + at, x);
            store(t.iy + at, y);
            a11 = fma(x, x, a11);
            a12 = fma(x, y, a12);
            a22 = fma(y, y, a22);
            c1 = fma(i, x, c1);
            c2 = fma(i, y, c2);
        }
    }
    t.a11 = sum(a11);
    t.a12 = sum(a12);
    t.a22 = sum(a22);
    t.c1 = sum(c1);
    t.c2 = sum(c2);
}

// False where pixels are missing.
template <class T> bool make_template(const FlowLeaf& a, float x, float y, T* patch, Template& t) {
    const int window = a.window, side = window + 3;
    const int whole_x = flow_floor(x), whole_y = flow_floor(y);
    int64_t row = 0;
    const T* from = source(a.from, whole_x - 1, whole_y - 1, side, patch, t.stride, row);
    if (from == nullptr) {
        return false;
    }
    float* p = t.i + t.stride * window;
    float* gx = p + t.stride * side;
    float* gy = gx + t.stride * (window + 1);
    float* inside = gy + t.stride * (window + 1);
    for (int r = 0; r < side; ++r) {
        for (int c = 0; c < side; c += VL) {
            store(p + r * t.stride + c, pixels(from + r * row + c, side - c));
        }
    }
    for (int c = 0; c < t.stride; ++c) {
        inside[c] = c < window ? 1.0F : 0.0F;
    }
    gradients(p, t.stride, window + 1, gx, gy);
    hide_outside(a.from, whole_x, whole_y, window + 1, t.stride, gx, gy);
    t.base = p[(side / 2) * t.stride + side / 2];
    interpolate(p, gx, gy, Bilinear(x - static_cast<float>(whole_x), y - static_cast<float>(whole_y)), window, inside, t);
    return true;
}

// S of the head comment: for I_x and I_y the sums at the four neighbours 00, 01, 10, 11.
struct Correlation {
    float x[4], y[4];
};

template <class T> void correlate(const T* q, int64_t row, int window, const Template& t, Correlation& s) {
    vf x00 = zero(), x01 = zero(), x10 = zero(), x11 = zero(), y00 = zero(), y01 = zero(), y10 = zero(), y11 = zero();
    const vf base = splat(t.base);
    for (int c = 0; c < window; c += VL) {
        const int lanes = window - c;
        vf left = pixels(q + c, lanes) - base, right = pixels(q + c + 1, lanes) - base;
        for (int r = 0; r < window; ++r) {
            const vf gx = load(t.ix + r * t.stride + c), gy = load(t.iy + r * t.stride + c);
            x00 = fma(left, gx, x00);
            x01 = fma(right, gx, x01);
            y00 = fma(left, gy, y00);
            y01 = fma(right, gy, y01);
            const T* below = q + (r + 1) * row + c;
            left = pixels(below, lanes) - base;
            right = pixels(below + 1, lanes) - base;
            x10 = fma(left, gx, x10);
            x11 = fma(right, gx, x11);
            y10 = fma(left, gy, y10);
            y11 = fma(right, gy, y11);
        }
    }
    s = {{sum(x00), sum(x01), sum(x10), sum(x11)}, {sum(y00), sum(y01), sum(y10), sum(y11)}};
}

FK_INLINE float weighted(const Bilinear& w, const float* s) {
    return (w.w00 * s[0] + w.w01 * s[1]) + (w.w10 * s[2] + w.w11 * s[3]);
}

template <class T> float residual(const T* q, int64_t row, int window, const Bilinear& w, const Template& t) {
    vf total = zero();
    const vf base = splat(t.base);
    // Past the window the weights are 0, and so is I - base: taking off base there, too, leaves nothing.
    for (int c = 0; c < window; c += VL) {
        const int lanes = window - c;
        const vm valid = gt(load(t.i + t.stride * (4 * int64_t{window} + 5) + c), zero());
        for (int r = 0; r < window; ++r) {
            const T* at = q + r * row + c;
            const vf top = fma(splat(w.w01), pixels(at + 1, lanes), splat(w.w00) * pixels(at, lanes));
            const vf bottom = fma(splat(w.w11), pixels(at + row + 1, lanes), splat(w.w10) * pixels(at + row, lanes));
            const vf difference = abs((top + bottom) - (load(t.i + r * t.stride + c) + base));
            total = total + select(valid, difference, zero());
        }
    }
    return sum(total) / static_cast<float>(window * window);
}

template <class T> int iterate(const FlowLeaf& a, const Template& t, T* patch, FlowState& s) {
    const float half = 0.5F * static_cast<float>(a.window - 1);
    const float det = t.a11 * t.a22 - t.a12 * t.a12;
    float x = s.x - half, y = s.y - half, last_dx = 0, last_dy = 0;
    int at_x = 0, at_y = 0;
    Correlation sums = {};
    for (int k = 0; k < a.iterations; ++k) {
        if (!flow_touches(a.to, x, y, a.window)) {
            return flow_outside;
        }
        const int whole_x = flow_floor(x), whole_y = flow_floor(y);
        if (k == 0 || whole_x != at_x || whole_y != at_y) {
            int64_t row = 0;
            const T* q = source(a.to, whole_x, whole_y, a.window + 1, patch, t.stride, row);
            if (q == nullptr) {
                return flow_unbuilt;
            }
            correlate(q, row, a.window, t, sums);
            at_x = whole_x;
            at_y = whole_y;
        }
        const Bilinear w(x - static_cast<float>(whole_x), y - static_cast<float>(whole_y));
        const float b1 = weighted(w, sums.x) - t.c1, b2 = weighted(w, sums.y) - t.c2;
        const float dx = (t.a12 * b2 - t.a22 * b1) / det, dy = (t.a12 * b1 - t.a11 * b2) / det;
        x += dx;
        y += dy;
        s.x = x + half;
        s.y = y + half;
        ++s.iterations;
        if (dx * dx + dy * dy <= a.epsilon * a.epsilon) {
            break;
        }
        if (k > 0 && __builtin_fabsf(dx + last_dx) < 0.01F && __builtin_fabsf(dy + last_dy) < 0.01F) {
            s.x -= 0.5F * dx;
            s.y -= 0.5F * dy;
            break;
        }
        last_dx = dx;
        last_dy = dy;
    }
    return flow_tracked;
}

template <class T> int track(const FlowLeaf& a, FlowState& s) {
    const float half = 0.5F * static_cast<float>(a.window - 1);
    Template t = {};
    t.stride = flow_stride(a.window);
    t.ix = a.scratch;
    t.iy = t.ix + t.stride * a.window;
    t.i = t.iy + t.stride * a.window;
    T* patch = reinterpret_cast<T*>(t.i + t.stride * (4 * int64_t{a.window} + 6));
    if (!flow_touches(a.from, a.x - half, a.y - half, a.window)) {
        return flow_outside;
    }
    if (!make_template(a, a.x - half, a.y - half, patch, t)) {
        return flow_unbuilt;
    }
    const float difference = t.a11 - t.a22;
    const float root = __builtin_sqrtf(difference * difference + 4 * t.a12 * t.a12);
    const float eigenvalue = (t.a11 + t.a22 - root) / (2 * 1024 * static_cast<float>(a.window * a.window));
    if (!(eigenvalue >= a.min_eigenvalue && t.a11 * t.a22 - t.a12 * t.a12 > 0)) {
        return flow_flat;
    }
    const int outcome = iterate(a, t, patch, s);
    if (outcome != flow_tracked || a.measure == 0) {
        return outcome;
    }
    const float x = s.x - half, y = s.y - half;
    if (!flow_touches(a.to, x, y, a.window)) {
        return flow_outside;
    }
    const int whole_x = flow_floor(x), whole_y = flow_floor(y);
    int64_t row = 0;
    const T* q = source(a.to, whole_x, whole_y, a.window + 1, patch, t.stride, row);
    if (q == nullptr) {
        return flow_unbuilt;
    }
    s.residual = residual(q, row, a.window, Bilinear(x - static_cast<float>(whole_x), y - static_cast<float>(whole_y)), t);
    return flow_tracked;
}

} // namespace

int flow_lk_rows(const FlowLeaf& leaf, FlowState& state);
int flow_lk_rows(const FlowLeaf& leaf, FlowState& state) {
    return leaf.is_float != 0 ? track<float>(leaf, state) : track<uint8_t>(leaf, state);
}

} // namespace fk::FK_ISA
