//! Every shader, with every set of constants that plans give it, without a GPU: it is valid WGSL within WebGPU's
//! default limits, and it declares what the kernel table says.

mod network_cases;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, GlobalVariable, Module, Scalar, ScalarKind, StorageAccess, TypeInner};
use network_cases::{Sizes, case, family};
use srnn::Device;
use srnn::data::{Batch, Rows, Targets};
use srnn::engine::gpu::adapter::INVOCATIONS;
use srnn::kernel::cell::{Cell, Reset};
use srnn::kernel::{Access, Element, Kernel, kernels};
use srnn::network::{Config, Layout, Network, Optimiser, Plans, Rule, Sgd, Task};
use srnn::plan::{BY_CONSTANT, Dispatch, Field, Limits, Plan, Product, Tuning};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One dispatch of every kernel with every set of constants, out of plans of the whole family of networks.
fn dispatches() -> Vec<Dispatch> {
    let mut found = BTreeMap::new();
    let mut add = |plan: &Plan| {
        for dispatch in plan.dispatches.iter().cloned().flat_map(variants) {
            found.insert((dispatch.kernel.name, dispatch.constants.clone()), dispatch);
        }
    };
    let limits = Limits::webgpu_default();
    let holding = Limits { tuning: Tuning { product: Product::Held, ..limits.tuning }, ..limits.clone() };
    let sgd = Rule::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0 });
    let dropping = Optimiser { rule: sgd, dropout: 0.5, embedding_dropout: 0.1, ..Optimiser::default() };
    // Long enough for weight gradients in several parts.
    let sizes = Sizes { n: 3, k: 1, length: 600, embedding: 3, hidden: 130, classes: 4, vocabulary: 9, batch: 3 };
    let plain = case(sizes, 1);
    for (at, case) in family().iter().chain([&plain]).enumerate() {
        let network = Network::with_parameters(case.config.clone(), Device::cpu(), &case.parameters).unwrap();
        network.plans().inference(&case.batch).unwrap().into_iter().for_each(|(_, plan)| add(&plan));
        for optimiser in [&Optimiser::default(), &dropping] {
            add(&Plans { limits: &limits, ..network.plans() }.training(&case.batch, optimiser).unwrap());
        }
        if at % 9 == 0 {
            add(&Plans { limits: &holding, ..network.plans() }.training(&case.batch, &dropping).unwrap());
        }
    }
    let targets = vec![0.0; plain.batch.len() * plain.config.classes];
    for task in [Task::Labels, Task::Regression] {
        let (width, values) = (plain.config.classes, targets.clone());
        let targets = match task {
            Task::Labels => Targets::Labels(Rows { width, values }),
            _ => Targets::Numbers(Rows { width, values }),
        };
        let batch = Batch { targets: Some(targets), ..plain.batch.clone() };
        let config = Config { task, ..plain.config.clone() };
        let plans = Plans { config: &config, layout: &Layout::new(&config), limits: &limits };
        add(&plans.training(&batch, &Optimiser::default()).unwrap());
    }
    found.into_values().collect()
}

/// The values of a constant that is a choice; sizes are none.
fn choices(name: &str, Dispatch { kernel: Kernel { name: kernel, .. }, constants, .. }: &Dispatch) -> &'static [u32] {
    let holds = constants.iter().any(|&(name, rows)| name == "HELD" && rows > 0);
    match name {
        // Where U is held these are decided.
        "LANES" | "CHUNK" if holds => &[],
        "LANES" => &[1, 2, 4],
        "CHUNK" => &[2, 16],
        "AT_ONCE" => &[1, 4],
        "FIRST" | "FORWARD" | "STEPWISE" | "SLOTTED" | "SAVE" | "LISTED" | "BY_SLOT" | "WEIGHTED" | "RULE" => &[0, 1],
        "FORM" if *kernel == "element_loss" => &[0, 1],
        "ACTIVATION" | "MODE" | "FORM" => &[0, 1, 2],
        _ => &[],
    }
}

/// A dispatch with every choice of its constants.
fn variants(dispatch: Dispatch) -> Vec<Dispatch> {
    let mut all = vec![dispatch];
    for at in 0..all[0].constants.len() {
        let choices = choices(all[0].constants[at].0, &all[0]);
        let with = |dispatch: &Dispatch, choice: u32| {
            let mut own = dispatch.clone();
            own.constants[at].1 = choice;
            own
        };
        if !choices.is_empty() {
            all = all.iter().flat_map(|own| choices.iter().map(|&choice| with(own, choice))).collect();
        }
    }
    all
}

/// Checks `source`, the shader of a dispatch's kernel, against the kernel's declaration and the dispatch.
fn check(source: &str, dispatch: &Dispatch) -> Result<(), String> {
    let kernel = dispatch.kernel;
    let module = naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|error| error.emit_to_string(source))?;

    let [entry] = &module.entry_points[..] else { return Err("there is not one entry point".into()) };
    if entry.name != "main" {
        return Err(format!("the entry point is `{}`", entry.name));
    }
    let invocations: u32 = entry.workgroup_size.iter().product();
    if invocations > INVOCATIONS {
        return Err(format!("{invocations} invocations"));
    }

    let (mut storage, mut uniforms, mut workgroup_memory) = (BTreeMap::new(), Vec::new(), 0);
    for (_, variable) in module.global_variables.iter() {
        let place = variable.binding.as_ref().map(|b| (b.group, b.binding));
        match (variable.space, place) {
            (AddressSpace::Storage { access }, Some((0, binding))) => {
                storage.insert(binding as usize, (variable, access));
            }
            (AddressSpace::Uniform, Some((1, 0))) => uniforms.push(variable),
            (AddressSpace::Private, None) => {}
            (AddressSpace::WorkGroup, None) => {
                workgroup_memory += module.types[variable.ty].inner.size(module.to_ctx());
            }
            (space, place) => return Err(format!("{:?} in {space:?} at {place:?}", variable.name)),
        }
    }
    if !storage.keys().copied().eq(0..kernel.bindings.len()) {
        return Err(format!("storage bindings {:?} for {} declared", storage.keys(), kernel.bindings.len()));
    }
    for (declared, (variable, access)) in kernel.bindings.iter().zip(storage.values()) {
        let expected = match declared.access {
            Access::Read => StorageAccess::LOAD,
            Access::Write => StorageAccess::LOAD | StorageAccess::STORE,
        };
        let kind = match declared.element {
            Element::F32 => ScalarKind::Float,
            Element::U32 => ScalarKind::Uint,
        };
        if variable.name.as_deref() != Some(declared.name) || *access != expected {
            return Err(format!("{declared:?} is {:?} {access:?}", variable.name));
        }
        if element(&module, variable) != Some((kind, 4)) {
            return Err(format!("the elements of {declared:?} are {:?}", element(&module, variable)));
        }
    }
    let [uniform] = &uniforms[..] else { return Err("there is not one uniform".into()) };
    let fields = fields(&module, uniform);
    let declared: Vec<Field> = kernel.parameters.to_vec();
    if fields.as_ref() != Some(&declared.iter().map(|(name, kind)| (name.to_string(), *kind)).collect()) {
        return Err(format!("a uniform of {fields:?} for the parameters {declared:?}"));
    }
    if dispatch.parameters.len() != declared.len() {
        return Err(format!("{} words for {} parameters", dispatch.parameters.len(), declared.len()));
    }
    let declared = (kernel.workgroup_memory)(dispatch);
    if workgroup_memory != declared {
        return Err(format!("{workgroup_memory} bytes of workgroup memory for {declared} declared"));
    }
    Ok(())
}

/// Kind and width of the scalars of a runtime-sized array of scalars or vectors.
fn element(module: &Module, variable: &GlobalVariable) -> Option<(ScalarKind, u8)> {
    let TypeInner::Array { base, size: naga::ArraySize::Dynamic, .. } = module.types[variable.ty].inner else {
        return None;
    };
    match module.types[base].inner {
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => Some((scalar.kind, scalar.width)),
        _ => None,
    }
}

/// The members of a struct of 4-byte scalars.
fn fields(module: &Module, variable: &GlobalVariable) -> Option<Vec<(String, Element)>> {
    let TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else { return None };
    let field = |(at, member): (usize, &naga::StructMember)| {
        let kind = match module.types[member.ty].inner {
            TypeInner::Scalar(Scalar { kind: ScalarKind::Float, width: 4 }) => Element::F32,
            TypeInner::Scalar(Scalar { kind: ScalarKind::Uint, width: 4 }) => Element::U32,
            _ => return None,
        };
        (member.offset as usize == 4 * at).then(|| (member.name.clone().unwrap_or_default(), kind))
    };
    members.iter().enumerate().map(field).collect()
}

#[test]
fn every_shader_is_valid_and_declares_what_its_kernel_does() {
    for dispatch in dispatches() {
        let Dispatch { kernel, constants, .. } = &dispatch;
        check(&kernel.source(constants), &dispatch)
            .unwrap_or_else(|problem| panic!("{} with {constants:?}: {problem}", kernel.name));
    }
}

/// So that the test above leaves nothing out.
#[test]
fn plans_use_every_kernel() {
    let seen: BTreeSet<&str> = dispatches().iter().map(|dispatch| dispatch.kernel.name).collect();
    assert_eq!(seen, kernels().map(|kernel| kernel.name).collect());
}

/// Every file below `shaders/` is part of a kernel, and every part of a kernel a file.
#[test]
fn every_file_of_shaders_belongs_to_a_kernel() {
    let mut folders = vec![PathBuf::from("shaders")];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(files.insert(std::fs::read_to_string(path).unwrap())),
            }
        }
    }
    let mut parts: BTreeSet<String> = kernels().flat_map(|kernel| kernel.shader).map(|part| part.to_string()).collect();
    parts.extend(BY_CONSTANT.map(|(.., part)| part.to_string()));
    assert!(files == parts, "files and parts differ");
}

/// The check finds out shaders that do not agree with their kernel.
#[test]
fn wrong_shaders_are_found_out() {
    let all = dispatches();
    let find = |kernel: &Kernel| all.iter().find(|d| d.kernel.name == kernel.name).unwrap();
    let refused = |kernel: &Kernel, change: &dyn Fn(&str) -> String| {
        let dispatch = find(kernel);
        let good = kernel.source(&dispatch.constants);
        check(&good, dispatch).unwrap();
        let bad = change(&good);
        assert_ne!(good, bad, "the change finds its text");
        check(&bad, dispatch).expect_err("a wrong shader")
    };
    let gru = Cell::Gru.recurrence(Reset::After).unwrap();
    let (forward, transpose) = (&gru.forward, &srnn::kernel::transpose::KERNEL);
    let swapped = refused(forward, &|source| {
        let third = source.replace("@binding(2)", "@binding(9)");
        third.replace("@binding(3)", "@binding(2)").replace("@binding(9)", "@binding(3)")
    });
    assert!(swapped.contains("gates"), "{swapped}");
    let number = refused(forward, &|source| source.replace("@binding(7)", "@binding(8)"));
    assert!(number.contains("storage bindings"), "{number}");
    let access = refused(forward, &|source| source.replace("read> gates", "read_write> gates"));
    assert!(access.contains("gates"), "{access}");
    let memory = refused(forward, &|source| source.replace("Column, 2u + MEMORY", "Column, 4u + MEMORY"));
    assert!(memory.contains("workgroup memory"), "{memory}");
    let element = refused(transpose, &|source| source.replace("array<f32>", "array<u32>"));
    assert!(element.contains("the elements of"), "{element}");
    let parameters = refused(transpose, &|source| source.replace("end: u32,", "end: u32, x: u32,"));
    assert!(parameters.contains("\"x\""), "{parameters}");
    let kind =
        refused(transpose, &|source| source.replace("end: u32,", "end: f32,").replace("params.end", "u32(params.end)"));
    assert!(kind.contains("F32"), "{kind}");
    let entry = refused(transpose, &|source| source.replace("fn main", "fn transpose"));
    assert!(entry.contains("`transpose`"), "{entry}");
    let type_error = refused(transpose, &|source| source.replace("let at", "let at: f32"));
    assert!(type_error.contains("at"), "{type_error}");
    let invocations = refused(transpose, &|source| source.replace("size(256)", "size(257)"));
    assert!(invocations.contains("257"), "{invocations}");
}
