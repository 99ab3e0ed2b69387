//! Lets `SRNN_SKIP_GPU_TESTS=1` show the GPU tests as ignored; without it they fail where there is no adapter, so that
//! no machine passes them by not running them.

fn main() {
    println!("cargo::rerun-if-env-changed=SRNN_SKIP_GPU_TESTS");
    println!("cargo::rustc-check-cfg=cfg(skip_gpu_tests)");
    if std::env::var("SRNN_SKIP_GPU_TESTS").is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg=skip_gpu_tests");
    }
}
