// The field itself.
alias E = F;
const DEGREE = 1u;
fn e_zero() -> E { return F_ZERO; }
fn e_one() -> E { return F_ONE; }
fn e_from(a: F) -> E { return a; }
fn e_add(a: E, b: E) -> E { return f_add(a, b); }
fn e_sub(a: E, b: E) -> E { return f_sub(a, b); }
fn e_mul(a: E, b: E) -> E { return f_mul(a, b); }
fn e_scale(a: E, b: F) -> E { return f_mul(a, b); }
