// Goldilocks, p = 2^64 - 2^32 + 1, in halves of 32 bits: (low, high), canonical.
alias F = vec2<u32>;
const F_ZERO = vec2<u32>(0u, 0u);
const F_ONE = vec2<u32>(1u, 0u);

fn f_load(words: vec2<u32>) -> F { return words; }
fn f_store(a: F) -> vec2<u32> { return a; }

// Adds 2^32 - 1 = 2^64 - p, without a carry out of the high half.
fn f_plus_epsilon(a: F) -> F {
    let low = a.x - 1u;
    return vec2<u32>(low, a.y + u32(a.x != 0u));
}

// Subtracts 2^32 - 1, without a borrow out of the high half.
fn f_minus_epsilon(a: F) -> F {
    let low = a.x + 1u;
    return vec2<u32>(low, a.y - u32(low != 0u));
}

// Subtracts p from a number of 64 bits if it is at least p.
fn f_canonical(a: F) -> F {
    return select(a, vec2<u32>(a.x - 1u, 0u), a.y == 0xffffffffu && a.x != 0u);
}

fn f_add(a: F, b: F) -> F {
    let low = a.x + b.x;
    let middle = a.y + u32(low < a.x);
    let high = middle + b.y;
    let carry = (middle < a.y) || (high < b.y);
    let sum = vec2<u32>(low, high);
    return f_canonical(select(sum, f_plus_epsilon(sum), carry));
}

fn f_sub(a: F, b: F) -> F {
    let borrow = u32(a.x < b.x);
    let difference = vec2<u32>(a.x - b.x, a.y - b.y - borrow);
    let negative = (a.y < b.y) || (a.y == b.y && borrow == 1u);
    return select(difference, f_minus_epsilon(difference), negative);
}

// The product of two halves.
fn wide(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let ll = al * bl;
    let lh = al * bh;
    let hl = ah * bl;
    let middle = (ll >> 16u) + (lh & 0xffffu) + (hl & 0xffffu);
    return vec2<u32>(a * b, ah * bh + (lh >> 16u) + (hl >> 16u) + (middle >> 16u));
}

// 2^64 = 2^32 - 1 and 2^96 = -1 modulo p.
fn f_mul(a: F, b: F) -> F {
    let p00 = wide(a.x, b.x);
    let p01 = wide(a.x, b.y);
    let p10 = wide(a.y, b.x);
    let p11 = wide(a.y, b.y);
    let s1 = p00.y + p01.x;
    let w1 = s1 + p10.x;
    let c1 = u32(s1 < p01.x) + u32(w1 < p10.x);
    let s2 = p11.x + p01.y;
    let s3 = s2 + p10.y;
    let w2 = s3 + c1;
    let w3 = p11.y + u32(s2 < p01.y) + u32(s3 < p10.y) + u32(w2 < c1);
    // low - w3
    let low = vec2<u32>(p00.x - w3, w1 - u32(p00.x < w3));
    let t = select(low, f_minus_epsilon(low), w1 == 0u && p00.x < w3);
    // + w2 (2^32 - 1)
    let m = vec2<u32>(0u - w2, w2 - u32(w2 != 0u));
    let rl = t.x + m.x;
    let rm = t.y + u32(rl < m.x);
    let rh = rm + m.y;
    let carry = (rm < t.y) || (rh < m.y);
    let r = vec2<u32>(rl, rh);
    return f_canonical(select(r, f_plus_epsilon(r), carry));
}
