//! Build script of every crate that links libtorch or MuJoCo: a library's rpath is not inherited by
//! the binaries and tests that depend on it, so each package says where the libraries lie.

/// Prints the rpaths.
pub fn main() {
    for (variable, folder) in [("LIBTORCH", "lib"), ("MUJOCO_DYNAMIC_LINK_DIR", "")] {
        println!("cargo:rerun-if-env-changed={variable}");
        if let Some(root) = std::env::var_os(variable) {
            let path = std::path::Path::new(&root).join(folder);
            println!("cargo:rustc-link-arg=-Wl,-rpath,{}", path.display());
        }
    }
}
