//! Every kernel translates to the languages of Vulkan, Metal and Direct3D 12. Needs no adapter.

mod common;

use common::{KINDS, Values, expression};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use zkml_device::{FieldKind, Point};
use zkml_gpu::Prelude;
use zkml_gpu::shader::rounds::Layout;
use zkml_gpu::shader::{Dialect, Kernel, View, fourier, integer, rounds, vectors};

fn kernels(prelude: Prelude, field: FieldKind) -> Vec<(String, Kernel)> {
    let dialect = Dialect { prelude, field: Some(field), fault: None };
    let mut all = vec![
        ("outer product".to_owned(), vectors::outer_product(dialect)),
        ("fold".to_owned(), vectors::fold(dialect)),
        ("combine".to_owned(), vectors::combine(dialect, &[1, 2, 4, 8])),
        ("combine nothing".to_owned(), vectors::combine(dialect, &[])),
        ("fractions".to_owned(), vectors::fractions(dialect, true)),
        ("fractions of ones".to_owned(), vectors::fractions(dialect, false)),
        ("sums".to_owned(), vectors::sums(dialect)),
        ("bind".to_owned(), vectors::bind(dialect)),
        ("products".to_owned(), vectors::products(dialect)),
        ("a pass of a Fourier transform".to_owned(), fourier::pass(dialect)),
    ];
    for cooperative in [false, true] {
        for cells in [View::Read, View::Integers(1), View::Integers(2), View::Integers(4), View::Integers(8)] {
            all.push((format!("contract {cells:?}"), vectors::contract(dialect, cells, cooperative)));
        }
    }
    let points = [Point::At(0), Point::At(1), Point::At(2), Point::At(3), Point::Infinity];
    for kind in 0..KINDS {
        let (expression, _) = expression(field, kind, &mut Values(1));
        for (layout, bind) in [
            (Layout::Each, false),
            (Layout::Each, true),
            (Layout::Together, false),
            (Layout::Together, true),
            (Layout::Halves, false),
        ] {
            let kernel = rounds::round(dialect, &expression, &points, layout, bind);
            all.push((format!("round {kind} {layout:?} {bind}"), kernel));
        }
    }
    let plain = Dialect { field: None, ..dialect };
    for widths in [&[1][..], &[1, 1], &[2, 4]] {
        all.push((format!("einsum {widths:?}"), integer::einsum(plain, widths, 3, 2)));
        all.push((format!("einsum {widths:?} without a sum"), integer::einsum(plain, widths, 1, 0)));
    }
    all
}

fn to_spirv(module: &naga::Module, info: &ModuleInfo) -> Result<usize, String> {
    spv::write_vec(module, info, &spv::Options::default(), None).map(|words| words.len()).map_err(|e| e.to_string())
}

fn to_metal(module: &naga::Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = msl::Options { lang_version: (2, 4), ..msl::Options::default() };
    let result = msl::write_string(module, info, &options, &msl::PipelineOptions::default());
    let (text, translation) = result.map_err(|e| e.to_string())?;
    translation.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    Ok(text.len())
}

fn to_direct3d(module: &naga::Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        special_constants_binding: Some(hlsl::BindTarget { space: 1, ..hlsl::BindTarget::default() }),
        ..hlsl::Options::default()
    };
    let mut text = String::new();
    let reflection = hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(module, info, None)
        .map_err(|e| e.to_string())?;
    reflection.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    Ok(text.len())
}

fn translate(prelude: Prelude) {
    let int64 = if prelude == Prelude::U64 { Capabilities::SHADER_INT64 } else { Capabilities::empty() };
    for field in FieldKind::ALL {
        for (name, kernel) in kernels(prelude, field) {
            let what = format!("{name}, {field:?}, {prelude}");
            let module = naga::front::wgsl::parse_str(&kernel.text)
                .unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string(&kernel.text)));
            let info = Validator::new(ValidationFlags::all(), int64)
                .validate(&module)
                .unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string(&kernel.text)));
            assert_eq!(module.global_variables.iter().filter(|(_, v)| v.binding.is_some()).count(), kernel.views.len());
            for (language, result) in [
                ("SPIR-V", to_spirv(&module, &info)),
                ("MSL", to_metal(&module, &info)),
                ("HLSL", to_direct3d(&module, &info)),
            ] {
                let length = result.unwrap_or_else(|e| panic!("{what}, {language}: {e}"));
                assert!(length > 100, "{what}, {language}");
            }
        }
    }
}

#[test]
fn kernels_in_halves_translate() {
    translate(Prelude::U32);
}

#[test]
fn kernels_in_native_integers_translate() {
    translate(Prelude::U64);
}

#[test]
fn values_are_not_in_the_text() {
    let dialect = Dialect { prelude: Prelude::U32, field: Some(FieldKind::Goldilocks2), fault: None };
    let text = |seed| {
        let (expression, _) = expression(FieldKind::Goldilocks2, 1, &mut Values(seed));
        rounds::round(dialect, &expression, &[Point::At(0)], Layout::Each, true).text
    };
    assert_eq!(text(1), text(2));
}
