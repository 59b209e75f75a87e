// The extension X^2 = 7.
struct E { c0: F, c1: F }
const DEGREE = 2u;
fn e_zero() -> E { return E(F_ZERO, F_ZERO); }
fn e_one() -> E { return E(F_ONE, F_ZERO); }
fn e_from(a: F) -> E { return E(a, F_ZERO); }
fn e_add(a: E, b: E) -> E { return E(f_add(a.c0, b.c0), f_add(a.c1, b.c1)); }
fn e_sub(a: E, b: E) -> E { return E(f_sub(a.c0, b.c0), f_sub(a.c1, b.c1)); }
fn e_scale(a: E, b: F) -> E { return E(f_mul(a.c0, b), f_mul(a.c1, b)); }

// Karatsuba; 7 v = 8 v - v.
fn e_mul(a: E, b: E) -> E {
    let v0 = f_mul(a.c0, b.c0);
    let v1 = f_mul(a.c1, b.c1);
    let cross = f_mul(f_add(a.c0, a.c1), f_add(b.c0, b.c1));
    let two = f_add(v1, v1);
    let four = f_add(two, two);
    let seven = f_sub(f_add(four, four), v1);
    return E(f_add(v0, seven), f_sub(f_sub(cross, v0), v1));
}
