//! Compiles the crate anew when a file of the web app is added or removed. Changes of its files are seen by the compiler.

fn main() {
    println!("cargo::rerun-if-changed=../../web/dist");
}
