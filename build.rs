//! Compiles what no safe Rust can say: how the allocator of the C library keeps what was freed.

fn main() {
    println!("cargo::rerun-if-changed=src/allocator.c");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        cc::Build::new().file("src/allocator.c").link_lib_modifier("+whole-archive").compile("vendord_allocator");
    }
}
