// Signed integers as field elements.
fn f_small(a: i32) -> F {
    let magnitude = f_load(vec2<u32>(select(u32(a), 0u - u32(a), a < 0), 0u));
    return select(magnitude, f_sub(F_ZERO, magnitude), a < 0);
}

// Two's complement of 64 bits, (low, high).
fn f_large(a: vec2<u32>) -> F {
    let negated = vec2<u32>(0u - a.x, ~a.y + u32(a.x == 0u));
    let negative = (a.y >> 31u) == 1u;
    let magnitude = f_canonical(f_load(select(a, negated, negative)));
    return select(magnitude, f_sub(F_ZERO, magnitude), negative);
}
