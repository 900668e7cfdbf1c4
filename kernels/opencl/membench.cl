/*
 * Passages through the device's memory: read, write, copy, in vectors of FK_LANES words. An item takes FK_STEPS vectors: on a GPU
 * (FK_INTERLEAVE 1) neighbouring items load neighbouring vectors and step by the size of their group; on a CPU each has a piece
 * of memory of its own, as its prefetchers like it. Item 0 also takes the bytes past the last whole vector. Buffers begin at a
 * multiple of a vector.
 */

#define FK_JOIN_(a, b) a##b
#define FK_JOIN(a, b) FK_JOIN_(a, b)
#define FK_WORDS FK_JOIN(uint, FK_LANES)
#define FK_BYTES (4 * FK_LANES)

#if FK_INTERLEAVE
#define FK_STRIDE get_local_size(0)
#else
#define FK_STRIDE 1
#endif

/* The item's first vector. */
ulong first_vector(void) {
#if FK_INTERLEAVE
    return (ulong)get_group_id(0) * get_local_size(0) * FK_STEPS + get_local_id(0);
#else
    return (ulong)get_global_id(0) * FK_STEPS;
#endif
}

/* One past its last, of `size` bytes. */
ulong end_vector(const ulong size) {
    return min(first_vector() + (ulong)FK_STEPS * FK_STRIDE, size / FK_BYTES);
}

__kernel void membench_copy(const ulong size, __global const uchar *restrict from, __global uchar *restrict to) {
    const ulong end = end_vector(size);
    for (ulong at = first_vector(); at < end; at += FK_STRIDE) {
        ((__global FK_WORDS *)to)[at] = ((__global const FK_WORDS *)from)[at];
    }
    if (get_global_id(0) == 0) {
        for (ulong last = size / FK_BYTES * FK_BYTES; last < size; ++last) {
            to[last] = from[last];
        }
    }
}

/* Every word of a vector becomes the vector's number plus `seed`; bytes past the last whole vector stay. */
__kernel void membench_write(const ulong size, const uint seed, __global uchar *restrict to) {
    const ulong end = end_vector(size);
    for (ulong at = first_vector(); at < end; at += FK_STRIDE) {
        ((__global FK_WORDS *)to)[at] = (FK_WORDS)((uint)at + seed);
    }
}

/* Each item's sum, modulo 2^32, of the words of its vectors and of the bytes past the last; `sums` has a word for each item. */
__kernel void membench_read(const ulong size, __global const uchar *restrict from, __global uint *restrict sums) {
    const ulong end = end_vector(size);
    FK_WORDS sum = (FK_WORDS)(0);
    for (ulong at = first_vector(); at < end; at += FK_STRIDE) {
        sum += ((__global const FK_WORDS *)from)[at];
    }
    uint total = 0;
    for (int lane = 0; lane < FK_LANES; ++lane) {
        total += ((const uint *)&sum)[lane];
    }
    if (get_global_id(0) == 0) {
        for (ulong last = size / FK_BYTES * FK_BYTES; last < size; ++last) {
            total += from[last];
        }
    }
    sums[get_global_id(0)] = total;
}
