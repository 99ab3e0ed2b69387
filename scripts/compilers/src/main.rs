//! Translates srnn's shaders as wgpu does for the compilers of all backends, asks AMD's compiler about them, and writes down
//! plans for Dawn. Used by `scripts/check-compilers` and `scripts/check-drivers`.

mod amd;
mod amd_table;
mod cycles;
mod plans;
mod translate;
mod variants;

use anyhow::{Context, Result};
use clap::Parser;
use naga::back::hlsl::ShaderModel;
use srnn::plan::Product;
use std::path::{Path, PathBuf};
use translate::Shader;
use variants::Variant;

#[derive(Parser)]
#[command(about)]
enum Arguments {
    /// Write every shader with every set of constants in the languages of all backends
    Translate {
        /// A folder for each language is made in it
        folder: PathBuf,
        /// HLSL of every shader, not only of those of usual networks
        #[arg(long)]
        all: bool,
    },
    /// Write the doctor's plans, with what each dispatch finds in its buffers and what its twin leaves there
    Plans {
        /// Where plans.json and words.bin are written
        folder: PathBuf,
        /// How products are computed: paired, chunked or held
        #[arg(long, default_value = "chunked", value_parser = product)]
        product: Product,
    },
    /// Compile the shaders for AMD's families, and hold the figures against the table
    Amd {
        /// The table
        table: PathBuf,
        /// The manifest of Mesa's driver for AMD
        #[arg(long, default_value = "/usr/share/vulkan/icd.d/radeon_icd.json", value_name = "FILE")]
        driver: PathBuf,
        /// Compile every shader for one family, not only those of usual networks
        #[arg(long)]
        all: bool,
        /// Write the table instead
        #[arg(long)]
        renew: bool,
    },
    /// Print the machine code of shaders for the family that RADV_FORCE_FAMILY names
    Assembly {
        /// Their files' names without endings, or the beginnings of these
        shaders: Vec<String>,
    },
    /// Print the cycles that a step of a recurrence takes by a model of a wave, for the family that RADV_FORCE_FAMILY names
    Cycles {
        /// Their files' names without endings, or the beginnings of these
        shaders: Vec<String>,
    },
    /// One family, in the environment that names it
    #[command(hide = true)]
    AmdFamily {
        family: String,
        #[arg(long)]
        all: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse() {
        Arguments::Translate { folder, all } => translate_all(&folder, all),
        Arguments::Plans { folder, product } => plans::write(&folder, product),
        Arguments::Amd { table, driver, all, renew } => amd_table::check(&table, &driver, [all, renew]),
        Arguments::Assembly { shaders } => each(&shaders, |variant, assembly| {
            println!("; {}\n{assembly}", variant.file());
            Ok(())
        }),
        Arguments::Cycles { shaders } => each(&shaders, |variant, assembly| {
            if variant.tabled() {
                println!("{:8} {} {}", cycles::cycles(variant, assembly)?, variant.kernel.name, variant.constants());
            }
            Ok(())
        }),
        Arguments::AmdFamily { family, all } => amd_table::print_family(&family, all),
    }
}

fn product(name: &str) -> Result<Product> {
    Product::ALL.into_iter().find(|product| product.to_string() == name).context("no way to compute products")
}

/// Hands on the machine code of each variant whose file's name begins so.
fn each(names: &[String], mut tell: impl FnMut(&Variant, &str) -> Result<()>) -> Result<()> {
    let device = amd::NullDevice::open()?;
    let named = |variant: &Variant| names.iter().any(|own| variant.file().starts_with(own));
    for variant in variants::variants()?.0.iter().filter(|variant| named(variant)) {
        tell(variant, &device.assembly(variant)?)?;
    }
    Ok(())
}

fn translate_all(folder: &Path, all: bool) -> Result<()> {
    let (variants, refused) = variants::variants()?;
    for what in refused {
        println!("translate: left out: {what}");
    }
    for language in ["wgsl", "vulkan1.0", "vulkan1.3", "glsl", "fxc", "dxc", "metal"] {
        std::fs::create_dir_all(folder.join(language))?;
    }
    for variant in &variants {
        let (name, source) = (variant.file(), variant.source());
        let write = |language: &str, ending: &str, contents: &[u8]| {
            let path = folder.join(language).join(format!("{name}.{ending}"));
            std::fs::write(&path, contents).with_context(|| path.display().to_string())
        };
        let shader = Shader::parse(&source).with_context(|| name.clone())?;
        let bytes = |words: Vec<u32>| words.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
        write("wgsl", "wgsl", source.as_bytes())?;
        write("vulkan1.0", "spv", &bytes(shader.spirv((1, 0), true).with_context(|| name.clone())?))?;
        write("vulkan1.3", "spv", &bytes(shader.spirv((1, 6), false).with_context(|| name.clone())?))?;
        write("glsl", "comp", shader.glsl().with_context(|| name.clone())?.as_bytes())?;
        if variant.usual || all {
            write("fxc", "hlsl", shader.hlsl(ShaderModel::V5_1).with_context(|| name.clone())?.as_bytes())?;
            write("dxc", "hlsl", shader.hlsl(ShaderModel::V6_0).with_context(|| name.clone())?.as_bytes())?;
        }
        write("metal", "metal", shader.metal().with_context(|| name.clone())?.as_bytes())?;
    }
    println!("translate: {} shaders in {}", variants.len(), folder.display());
    Ok(())
}
