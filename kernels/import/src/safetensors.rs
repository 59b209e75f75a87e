//! The `.safetensors` format, by the `safetensors` crate.

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors};

use crate::hint::{nearest, quoted};
use crate::numbers::{Element, SUPPORTED, decode};
use crate::{Array, ImportError};

fn open<'a>(file: &str, bytes: &'a [u8]) -> Result<SafeTensors<'a>, ImportError> {
    SafeTensors::deserialize(bytes)
        .map_err(|error| ImportError::Malformed { file: file.to_owned(), reason: error.to_string() })
}

pub(crate) fn names(file: &str, bytes: &[u8]) -> Result<Vec<String>, ImportError> {
    let mut names: Vec<String> = open(file, bytes)?.names().into_iter().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// The tensors as a file of 32-bit floats. Errors name the tensor whose shape does not fit its values.
pub(crate) fn to_bytes(file: &str, tensors: &[(String, &Array)]) -> Result<Vec<u8>, ImportError> {
    let malformed = |reason: String| ImportError::Malformed { file: file.to_owned(), reason };
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, a)| a.values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, array), bytes)| {
        let view = TensorView::new(Dtype::F32, array.shape.clone(), bytes);
        view.map(|view| (name.as_str(), view)).map_err(|e| malformed(format!("{name}: {e}")))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    ::safetensors::serialize(views, None).map_err(|e| malformed(e.to_string()))
}

pub(crate) fn read(file: &str, bytes: &[u8], tensor: Option<&str>) -> Result<Array, ImportError> {
    let tensors = open(file, bytes)?;
    let mut names = tensors.names();
    names.sort_unstable();
    let name = match (tensor, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => return Err(ImportError::Unnamed { file: file.to_owned(), available: quoted(&names) }),
    };
    let Ok(view) = tensors.tensor(name) else {
        return Err(ImportError::UnknownTensor {
            file: file.to_owned(),
            name: name.to_owned(),
            hint: nearest(name, &names),
            available: quoted(&names),
        });
    };
    let source = format!("{file}:{name}");
    let element = match view.dtype() {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U8 => Element::U8,
        other => {
            let dtype = format!("{other:?}");
            return Err(ImportError::ElementType { source_name: source, dtype, supported: SUPPORTED });
        }
    };
    decode(source, element, view.shape().to_vec(), view.data())
}
