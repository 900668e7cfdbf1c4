// The plain meaning of tracking: every iteration compares the two windows pixel by pixel.

#include <cmath>

#include "base/isa.hpp"
#include "ops/flow_lk/leaf.hpp"

namespace fk::scalar {

int flow_lk_reference(const FlowLeaf& a, FlowState& s);

namespace {

// A picture that reads its mirror image beyond the border, and notes where a pixel does not stand.
template <class T> struct Picture {
    const FlowImage& image;
    bool missing = false;

    float pixel(int x, int y) {
        const int u = flow_reflect(x, image.width), v = flow_reflect(y, image.height);
        if (u < image.x0 || u >= image.x1 || v < image.y0 || v >= image.y1) {
            missing = true;
            return 0;
        }
        return static_cast<float>(static_cast<const T*>(image.pixels)[(v - image.y0) * image.row + (u - image.x0)]);
    }
    bool inside(int x, int y) const { return x >= 0 && y >= 0 && x < image.width && y < image.height; }
    float gradient_x(int x, int y) {
        const auto across = [&](int v) { return pixel(x + 1, v) - pixel(x - 1, v); };
        return inside(x, y) ? (3 * (across(y - 1) + across(y + 1)) + 10 * across(y)) / 32 : 0;
    }
    float gradient_y(int x, int y) {
        const auto down = [&](int u) { return pixel(u, y + 1) - pixel(u, y - 1); };
        return inside(x, y) ? (3 * (down(x - 1) + down(x + 1)) + 10 * down(x)) / 32 : 0;
    }
};

// f at a window's pixels, the first at (x, y), between whole positions: to[r * window + c].
template <class F> void sample(float x, float y, int window, F&& f, float* to) {
    const int u = flow_floor(x), v = flow_floor(y);
    const float fx = x - static_cast<float>(u), fy = y - static_cast<float>(v);
    for (int r = 0; r < window; ++r) {
        for (int c = 0; c < window; ++c) {
            const float top = (1 - fx) * f(u + c, v + r) + fx * f(u + c + 1, v + r);
            const float bottom = (1 - fx) * f(u + c, v + r + 1) + fx * f(u + c + 1, v + r + 1);
            to[r * window + c] = (1 - fy) * top + fy * bottom;
        }
    }
}

struct Window {
    float *i, *ix, *iy, *j;
    int pixels;
    float a11 = 0, a12 = 0, a22 = 0;
};

template <class T> void make_window(Picture<T>& from, float x, float y, int side, Window& w) {
    sample(x, y, side, [&](int u, int v) { return from.pixel(u, v); }, w.i);
    sample(x, y, side, [&](int u, int v) { return from.gradient_x(u, v); }, w.ix);
    sample(x, y, side, [&](int u, int v) { return from.gradient_y(u, v); }, w.iy);
    for (int k = 0; k < w.pixels; ++k) {
        w.a11 += w.ix[k] * w.ix[k];
        w.a12 += w.ix[k] * w.iy[k];
        w.a22 += w.iy[k] * w.iy[k];
    }
}

float smaller_eigenvalue(const Window& w) {
    const float difference = w.a11 - w.a22;
    return (w.a11 + w.a22 - std::sqrt(difference * difference + 4 * w.a12 * w.a12)) / (2 * 1024 * static_cast<float>(w.pixels));
}

struct Step {
    float x = 0, y = 0;
};

Step solve(const Window& w) {
    float b1 = 0, b2 = 0;
    for (int k = 0; k < w.pixels; ++k) {
        b1 += (w.j[k] - w.i[k]) * w.ix[k];
        b2 += (w.j[k] - w.i[k]) * w.iy[k];
    }
    const float det = w.a11 * w.a22 - w.a12 * w.a12;
    return {(w.a12 * b2 - w.a22 * b1) / det, (w.a12 * b1 - w.a11 * b2) / det};
}

// J at the window of the state; flow_tracked, or why not.
template <class T> int look(const FlowLeaf& a, const FlowState& s, Window& w) {
    const float half = 0.5F * static_cast<float>(a.window - 1);
    if (!flow_touches(a.to, s.x - half, s.y - half, a.window)) {
        return flow_outside;
    }
    Picture<T> to{a.to};
    sample(s.x - half, s.y - half, a.window, [&](int u, int v) { return to.pixel(u, v); }, w.j);
    return to.missing ? flow_unbuilt : flow_tracked;
}

template <class T> int plain(const FlowLeaf& a, FlowState& s) {
    const float half = 0.5F * static_cast<float>(a.window - 1);
    const int n = a.window * a.window;
    if (!flow_touches(a.from, a.x - half, a.y - half, a.window)) {
        return flow_outside;
    }
    Window w{.i = a.scratch, .ix = a.scratch + n, .iy = a.scratch + 2 * n, .j = a.scratch + 3 * n, .pixels = n};
    Picture<T> from{a.from};
    make_window(from, a.x - half, a.y - half, a.window, w);
    if (from.missing) {
        return flow_unbuilt;
    }
    if (!(smaller_eigenvalue(w) >= a.min_eigenvalue && w.a11 * w.a22 - w.a12 * w.a12 > 0)) {
        return flow_flat;
    }
    Step last;
    for (int k = 0; k < a.iterations; ++k) {
        if (const int outcome = look<T>(a, s, w); outcome != flow_tracked) {
            return outcome;
        }
        const Step step = solve(w);
        s.x += step.x;
        s.y += step.y;
        ++s.iterations;
        if (step.x * step.x + step.y * step.y <= a.epsilon * a.epsilon) {
            break;
        }
        if (k > 0 && std::abs(step.x + last.x) < 0.01F && std::abs(step.y + last.y) < 0.01F) {
            s.x -= 0.5F * step.x;
            s.y -= 0.5F * step.y;
            break;
        }
        last = step;
    }
    if (a.measure == 0) {
        return flow_tracked;
    }
    const int outcome = look<T>(a, s, w);
    float total = 0;
    for (int k = 0; k < n; ++k) {
        total += std::abs(w.j[k] - w.i[k]);
    }
    s.residual = total / static_cast<float>(n);
    return outcome;
}

} // namespace

int flow_lk_reference(const FlowLeaf& leaf, FlowState& state) {
    return leaf.is_float != 0 ? plain<float>(leaf, state) : plain<std::uint8_t>(leaf, state);
}

} // namespace fk::scalar
