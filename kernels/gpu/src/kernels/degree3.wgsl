// The extension X^3 = X + 1.
struct E { c0: F, c1: F, c2: F }
const DEGREE = 3u;
fn e_zero() -> E { return E(F_ZERO, F_ZERO, F_ZERO); }
fn e_one() -> E { return E(F_ONE, F_ZERO, F_ZERO); }
fn e_from(a: F) -> E { return E(a, F_ZERO, F_ZERO); }
fn e_add(a: E, b: E) -> E { return E(f_add(a.c0, b.c0), f_add(a.c1, b.c1), f_add(a.c2, b.c2)); }
fn e_sub(a: E, b: E) -> E { return E(f_sub(a.c0, b.c0), f_sub(a.c1, b.c1), f_sub(a.c2, b.c2)); }
fn e_scale(a: E, b: F) -> E { return E(f_mul(a.c0, b), f_mul(a.c1, b), f_mul(a.c2, b)); }

// Karatsuba; X^3 = X + 1, X^4 = X^2 + X.
fn e_mul(a: E, b: E) -> E {
    let v0 = f_mul(a.c0, b.c0);
    let v1 = f_mul(a.c1, b.c1);
    let v2 = f_mul(a.c2, b.c2);
    let v01 = f_add(v0, v1);
    let m01 = f_sub(f_mul(f_add(a.c0, a.c1), f_add(b.c0, b.c1)), v01);
    let m02 = f_sub(f_mul(f_add(a.c0, a.c2), f_add(b.c0, b.c2)), f_add(v0, v2));
    let m12 = f_sub(f_mul(f_add(a.c1, a.c2), f_add(b.c1, b.c2)), f_add(v1, v2));
    return E(f_add(v0, m12), f_add(f_add(m01, m12), v2), f_add(f_add(m02, v1), v2));
}
