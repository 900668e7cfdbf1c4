// The file of dlib's shape_predictor.
//
// Whole numbers: a byte with the count of bytes that follow (low nibble) and the sign (high bit), then the magnitude,
// lowest byte first. Floats: mantissa and exponent as two such numbers, value = mantissa * 2^exponent; the exponents
// 32000, 32001 and 32002 stand for infinity, its negative and NaN. Sequences: their count, then their items. Matrices:
// minus rows, minus columns, then the numbers. In this order: version 1, mean shape, cascades of trees (splits of two
// pixels and a threshold, then leaves), anchors, offsets.
#include <cmath>

#include "ops/trees/trees.hpp"

namespace fk::trees {
namespace {

class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    [[noreturn]] void fail(const std::string& what) const {
        throw ModelError(message("shape_predictor: byte ", at_, ": ", what));
    }

    std::int64_t integer(const char* what) {
        if (at_ >= bytes_.size()) {
            fail(message("the file ends where ", what, " should stand"));
        }
        const std::uint8_t head = bytes_[at_];
        const std::size_t size = head & 0x0FU;
        if ((head & 0x70U) != 0 || size < 1 || size > 8) {
            fail(message(what, " begins with the byte ", int(head), ", which is no number of dlib's binary form"));
        }
        if (bytes_.size() - at_ <= size) {
            fail(message("the file ends inside ", what));
        }
        std::uint64_t magnitude = 0;
        for (std::size_t i = 0; i < size; ++i) {
            magnitude |= std::uint64_t(bytes_[at_ + 1 + i]) << (8 * i);
        }
        if (magnitude >> 62U != 0) {
            fail(message(what, " is ", magnitude, ", beyond any count"));
        }
        at_ += size + 1;
        const auto value = static_cast<std::int64_t>(magnitude);
        return (head & 0x80U) != 0 ? -value : value;
    }

    // A count of things of at least `bytes` bytes each; believed only where the file is long enough for them.
    std::int64_t count(const char* what, std::int64_t bytes, std::int64_t most) {
        const std::size_t begin = at_;
        const std::int64_t n = integer(what);
        if (n < 0 || n > most || n > static_cast<std::int64_t>(bytes_.size() - at_) / bytes) {
            const std::size_t left = bytes_.size() - at_;
            at_ = begin;
            fail(message(what, " is ", n, "; up to ", most, " are read, and ", left, " bytes are left"));
        }
        return n;
    }

    float number(const char* what) {
        const std::size_t begin = at_;
        const std::int64_t mantissa = integer(what), exponent = integer(what);
        const double value = exponent >= 32000 || std::abs(exponent) > 1000 ? NAN : std::ldexp(double(mantissa), int(exponent));
        if (!std::isfinite(static_cast<float>(value))) {
            at_ = begin;
            fail(message(what, " is not a finite number (mantissa ", mantissa, ", exponent ", exponent, ")"));
        }
        return static_cast<float>(value);
    }

    // Column of floats; returns how many were appended to `to`.
    std::int64_t column(const char* what, std::vector<float>& to, std::int64_t most) {
        const std::size_t begin = at_;
        std::int64_t height = integer(what), width = integer(what);
        if (height <= 0 && width <= 0) { // how matrices are marked since dlib 17
            height = -height;
            width = -width;
        }
        const auto left = static_cast<std::int64_t>(bytes_.size() - at_);
        if (width != 1 || height < 1 || height > most || height > left / smallest_float) {
            at_ = begin;
            fail(message(what, " is a matrix of ", height, " x ", width, "; columns of up to ", most, " numbers are read, and ",
                         left, " bytes are left"));
        }
        for (std::int64_t i = 0; i < height; ++i) {
            to.push_back(number(what));
        }
        return height;
    }

    void same(const char* what, std::int64_t value, std::int64_t& known) const {
        if (known >= 0 && value != known) {
            fail(message(what, " is ", value, " here and ", known, " before; all must be alike"));
        }
        known = value;
    }

    void end() const {
        if (at_ != bytes_.size()) {
            fail(message(bytes_.size() - at_, " bytes stand behind the end"));
        }
    }

    static constexpr std::int64_t smallest_float = 4, smallest_integer = 2;

  private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
};

struct Counts { // -1: not known yet
    std::int64_t trees = -1, splits = -1, pool = -1;
};

void read_tree(Reader& in, Ensemble& e, Counts& known) {
    const std::int64_t splits = in.count("the count of splits", 8, (1 << most_depth) - 1);
    if (splits < 1 || ((splits + 1) & splits) != 0) {
        in.fail(message("a tree has ", splits, " splits; whole trees have 1, 3, 7, 15 ..."));
    }
    in.same("the count of splits", splits, known.splits);
    for (std::int64_t i = 0; i < splits; ++i) {
        const std::int64_t a = in.integer("a split's first pixel"), b = in.integer("a split's second pixel");
        if (a < 0 || b < 0 || a >= most_pool || b >= most_pool) {
            in.fail(message("a split compares pixels ", a, " and ", b, "; up to ", most_pool, " are read"));
        }
        e.pairs.push_back(static_cast<std::int32_t>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b) << 16U));
        e.thresholds.push_back(in.number("a threshold"));
    }
    const std::int64_t leaves = in.count("the count of leaves", 8, 1 << most_depth);
    if (leaves != splits + 1) {
        in.fail(message("a tree has ", leaves, " leaves and ", splits, " splits"));
    }
    for (std::int64_t i = 0; i < leaves; ++i) {
        const std::int64_t numbers = in.column("a leaf", e.leaves, 2 * most_points);
        if (numbers != 2 * e.points) {
            in.fail(message("a leaf has ", numbers, " numbers for a shape of ", 2 * e.points));
        }
    }
}

void read_forests(Reader& in, Ensemble& e, Counts& known) {
    const std::int64_t levels = in.count("the count of cascades", 2, 1 << 12);
    for (std::int64_t l = 0; l < levels; ++l) {
        const std::int64_t trees = in.count("the count of trees", 20, 1 << 16);
        in.same("the count of trees", trees, known.trees);
        for (std::int64_t t = 0; t < trees; ++t) {
            read_tree(in, e, known);
        }
    }
    if (levels < 1 || known.trees < 1) {
        in.fail(message("there are ", levels, " cascades of ", known.trees, " trees"));
    }
    e.levels = static_cast<std::int32_t>(levels);
    e.trees = static_cast<std::int32_t>(known.trees);
    while (e.splits() < known.splits) {
        ++e.depth;
    }
}

void read_pools(Reader& in, Ensemble& e, Counts& known) {
    std::int64_t levels = e.levels;
    in.same("the count of lists of anchors", in.count("the count of lists of anchors", 1, 1 << 12), levels);
    for (std::int64_t l = 0; l < levels; ++l) {
        const std::int64_t pool = in.count("the count of anchors", Reader::smallest_integer, most_pool);
        in.same("the count of anchors", pool, known.pool);
        for (std::int64_t i = 0; i < pool; ++i) {
            const std::int64_t anchor = in.integer("an anchor");
            if (anchor < 0 || anchor >= e.points) {
                in.fail(message("an anchor is point ", anchor, " of ", e.points));
            }
            e.anchors.push_back(static_cast<std::int32_t>(anchor));
        }
    }
    e.pool = static_cast<std::int32_t>(known.pool);
    in.same("the count of lists of offsets", in.count("the count of lists of offsets", 1, 1 << 12), levels);
    for (std::int64_t l = 0; l < levels; ++l) {
        in.same("the count of offsets", in.count("the count of offsets", 2 * Reader::smallest_float, most_pool), known.pool);
        for (std::int64_t i = 0; i < 2 * known.pool; ++i) {
            e.offsets.push_back(in.number("an offset"));
        }
    }
}

} // namespace

Ensemble read_dlib(std::span<const std::uint8_t> bytes) {
    Reader in(bytes);
    const std::int64_t version = in.integer("the version");
    if (version != 1) {
        in.fail(message("version ", version, " of the format; version 1 is read"));
    }
    Ensemble e;
    const std::int64_t numbers = in.column("the mean shape", e.mean, 2 * most_points);
    if (numbers % 2 != 0) {
        in.fail(message("the mean shape has ", numbers, " numbers, not an x and a y for each point"));
    }
    e.points = static_cast<std::int32_t>(numbers / 2);
    Counts known;
    read_forests(in, e, known);
    read_pools(in, e, known);
    in.end();
    e.validate();
    return e;
}

} // namespace fk::trees
