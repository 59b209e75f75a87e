//! The workbench.
mod catalogue;
mod metrics;
mod spec;
fn main() {
    print!("{}", spec::schema::schema_text());
}
