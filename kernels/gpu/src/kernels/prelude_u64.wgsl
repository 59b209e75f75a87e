// Goldilocks, p = 2^64 - 2^32 + 1, in native integers of 64 bits, canonical. Memory holds halves: (low, high).
alias F = u64;
const F_ZERO: u64 = 0lu;
const F_ONE: u64 = 1lu;
const EPSILON: u64 = 0xfffffffflu;
const MODULUS: u64 = 0xffffffff00000001lu;

fn f_load(words: vec2<u32>) -> F { return u64(words.x) | (u64(words.y) << 32u); }
fn f_store(a: F) -> vec2<u32> { return vec2<u32>(u32(a & EPSILON), u32(a >> 32u)); }

fn f_canonical(a: F) -> F { return select(a, a - MODULUS, a >= MODULUS); }

fn f_add(a: F, b: F) -> F {
    let sum = a + b;
    return f_canonical(select(sum, sum + EPSILON, sum < a));
}

fn f_sub(a: F, b: F) -> F {
    let difference = a - b;
    return select(difference, difference - EPSILON, a < b);
}

// 2^64 = 2^32 - 1 and 2^96 = -1 modulo p.
fn f_mul(a: F, b: F) -> F {
    let al = a & EPSILON;
    let ah = a >> 32u;
    let bl = b & EPSILON;
    let bh = b >> 32u;
    let ll = al * bl;
    let lh = al * bh;
    let hl = ah * bl;
    let middle = (ll >> 32u) + (lh & EPSILON) + (hl & EPSILON);
    let low = (ll & EPSILON) | (middle << 32u);
    let high = ah * bh + (lh >> 32u) + (hl >> 32u) + (middle >> 32u);
    let top = high >> 32u;
    let bottom = high & EPSILON;
    let difference = low - top;
    let t = select(difference, difference - EPSILON, low < top);
    let m = (bottom << 32u) - bottom;
    let r = t + m;
    return f_canonical(select(r, r + EPSILON, r < m));
}
