//! Files written by hand, read back; and every way in which a file can be wrong.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use tempfile::TempDir;
use zkml_import::{Array, ImportError, load, names};

/// A `.npy` file of format `version`.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend((header.len() as u16).to_le_bytes());
    } else {
        bytes.extend((header.len() as u32).to_le_bytes());
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, order: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}          \n")
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn read_npy(bytes: &[u8]) -> Result<Array, ImportError> {
    let dir = TempDir::new().unwrap();
    load(&write(&dir, "a.npy", bytes), None)
}

#[test]
fn npy_of_every_element_type() {
    let cases: [(&str, Vec<u8>); 8] = [
        ("<f8", [1.0_f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("<f4", [1.0_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("<f2", vec![0x00, 0x3c, 0x00, 0xc0]),
        ("<i8", [1_i64, -2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("<i4", [1_i32, -2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("<i2", [1_i16, -2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("|i1", vec![1, 0xfe]),
        ("<i1", vec![1, 0xfe]),
    ];
    for (descr, data) in cases {
        for version in [1, 2] {
            let array = read_npy(&npy(version, &header(descr, "False", "(2, 1)"), &data)).unwrap();
            assert_eq!((array.shape, array.values), (vec![2, 1], vec![1.0, -2.0]), "{descr} version {version}");
        }
    }
    let unsigned = read_npy(&npy(1, &header("|u1", "False", "(2,)"), &[1, 254])).unwrap();
    assert_eq!(unsigned.values, [1.0, 254.0]);
}

#[test]
fn npy_shapes() {
    let data: Vec<u8> = (0..6).collect();
    for (text, shape) in [("(6,)", vec![6]), ("(2, 3)", vec![2, 3]), ("(1,2,3)", vec![1, 2, 3])] {
        assert_eq!(read_npy(&npy(1, &header("|i1", "False", text), &data)).unwrap().shape, shape);
    }
    assert_eq!(read_npy(&npy(1, &header("|i1", "False", "()"), &data[..1])).unwrap().shape, Vec::<usize>::new());
    let rows = read_npy(&npy(1, &header("|i1", "False", "(3, 2)"), &data)).unwrap();
    let two = rows.clone().first_rows(2).unwrap();
    assert_eq!((two.shape, two.values), (vec![2, 2], vec![0.0, 1.0, 2.0, 3.0]));
    for count in [0, 4] {
        let error = rows.clone().first_rows(count).unwrap_err().to_string();
        assert!(error.contains("ask for 1 to 3"), "{error}");
    }
    assert!(rows.clone().with_shape(&[None, Some(2)]).is_ok());
    let error = rows.with_shape(&[None, Some(3)]).unwrap_err().to_string();
    assert!(error.ends_with("the shape is [3, 2], expected [any, 3]"), "{error}");
}

#[test]
fn damaged_npy_files() {
    let good = npy(1, &header("<f4", "False", "(2,)"), &[0; 8]);
    assert!(read_npy(&good).is_ok());
    for cut in 0..good.len() {
        let error = read_npy(&good[..cut]).unwrap_err();
        assert!(matches!(error, ImportError::Malformed { .. }), "cut at {cut}: {error}");
    }
    let refused = |bytes: Vec<u8>, words: &str| {
        let error = read_npy(&bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(npy(1, &header("<f4", "True", "(2,)"), &[0; 8]), "ascontiguousarray");
    refused(npy(1, &header(">f4", "False", "(2,)"), &[0; 8]), "element type `>f4`");
    refused(npy(1, &header("<c8", "False", "(1,)"), &[0; 8]), "convert to one of f64");
    refused(npy(9, &header("<f4", "False", "(2,)"), &[0; 8]), "version");
    refused(npy(1, &header("<f4", "False", "(2,)"), &[0; 9]), "do not fit shape [2]");
    refused(npy(1, &header("<f4", "False", "(-2,)"), &[0; 8]), "tuple of lengths");
    refused(npy(1, &header("<f4", "False", "(4294967296, 4294967296, 4294967296)"), &[]), "do not fit");
    refused(npy(1, &header("<f4", "Maybe", "(2,)"), &[0; 8]), "neither True nor False");
    refused(npy(1, "{'descr': '<f4', 'shape': (2,)}", &[0; 8]), "no `fortran_order`");
    refused(npy(1, "not a dictionary", &[]), "not a dictionary");
    refused(npy(1, "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}", &[0; 8]), "structured");
}

#[test]
fn values_that_are_not_finite_or_not_exact() {
    let mut data = [0.0_f32; 6];
    data[4] = f32::NEG_INFINITY;
    let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
    let error = read_npy(&npy(1, &header("<f4", "False", "(2, 3)"), &bytes)).unwrap_err().to_string();
    assert!(error.ends_with("the value at index [1, 1] is -inf"), "{error}");
    let large: Vec<u8> = [1_i64 << 53, (1 << 53) + 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    let error = read_npy(&npy(1, &header("<i8", "False", "(2,)"), &large)).unwrap_err().to_string();
    assert!(error.contains("9007199254740993 at index [1]"), "{error}");
}

fn safetensors_file(dir: &TempDir) -> PathBuf {
    let floats: Vec<u8> = [1.5_f32, -0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
    let halves = [0x00, 0x3e, 0x80, 0xbf];
    let tensors: HashMap<&str, TensorView> = [
        ("norm.gain", TensorView::new(Dtype::F32, vec![2], &floats).unwrap()),
        ("ffn.weight", TensorView::new(Dtype::F16, vec![1, 2], &halves).unwrap()),
        ("brain", TensorView::new(Dtype::BF16, vec![2], &halves).unwrap()),
        ("mask", TensorView::new(Dtype::BOOL, vec![2], &[0, 1]).unwrap()),
    ]
    .into();
    let path = dir.path().join("t.safetensors");
    serialize_to_file(tensors, None, &path).unwrap();
    path
}

#[test]
fn safetensors_by_name() {
    let dir = TempDir::new().unwrap();
    let path = safetensors_file(&dir);
    assert_eq!(load(&path, Some("norm.gain")).unwrap().values, [1.5, -0.25]);
    assert_eq!(load(&path, Some("ffn.weight")).unwrap().values, [1.5, -1.875]);
    assert_eq!(load(&path, Some("brain")).unwrap().values, [0.125, -1.0]);
    assert_eq!(names(&path).unwrap(), ["brain", "ffn.weight", "mask", "norm.gain"]);
    let error = load(&path, Some("norm.gian")).unwrap_err().to_string();
    let expected = "no tensor `norm.gian`, did you mean `norm.gain`?; the file has `brain`, `ffn.weight`, `mask`";
    assert!(error.contains(expected), "{error}");
    assert!(load(&path, None).unwrap_err().to_string().contains("name one of `brain`"));
    assert!(load(&path, Some("mask")).unwrap_err().to_string().contains("type BOOL"));
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 40, bytes.len() - 1] {
        let path = write(&dir, "cut.safetensors", &bytes[..cut]);
        assert!(matches!(load(&path, Some("brain")), Err(ImportError::Malformed { .. })), "cut at {cut}");
    }
}

#[test]
fn files_that_are_not_there_or_not_known() {
    let error = load(Path::new("absent.npy"), None).unwrap_err().to_string();
    assert!(error.starts_with("absent.npy: cannot be read"), "{error}");
    assert!(load(Path::new("a.txt"), None).unwrap_err().to_string().contains(".safetensors, .npy or .json"));
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "a.npy", &npy(1, &header("<f4", "False", "(2,)"), &[0; 8]));
    assert!(load(&path, Some("x")).unwrap_err().to_string().contains("remove the name `x`"));
    assert!(names(&path).unwrap().is_empty());
}

fn read_json(text: &str) -> Result<Array, ImportError> {
    let dir = TempDir::new().unwrap();
    load(&write(&dir, "input.json", text.as_bytes()), None)
}

#[test]
fn json_inputs() {
    let flat = read_json(r#"{"input_data": [[1, -2.5, 3e2]], "input_shapes": [[1, 3]]}"#).unwrap();
    assert_eq!((flat.shape, flat.values), (vec![3], vec![1.0, -2.5, 300.0]));
    let nested = read_json(r#"{"input_data": [[[1, 2, 3], [4, 5, 6]]]}"#).unwrap();
    assert_eq!((nested.shape.as_slice(), nested.values.len()), ([2, 3].as_slice(), 6));
    let samples = nested.samples(&[1, 3]).unwrap();
    assert_eq!((samples.len(), samples[1].values.as_slice()), (2, [4.0, 5.0, 6.0].as_slice()));
    assert_eq!(nested.reshaped(&[3, 2]).unwrap().shape, [3, 2]);
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "both.json", br#"{"input_data": [[1]], "output_data": [[7]], "note": 1}"#);
    assert_eq!(load(&path, Some("output_data")).unwrap().values, [7.0]);
    assert_eq!(names(&path).unwrap(), ["input_data", "output_data"]);
    let error = load(&path, Some("output_dat")).unwrap_err().to_string();
    assert!(error.contains("did you mean `output_data`?"), "{error}");
}

#[test]
fn wrong_json_inputs() {
    let cases = [
        ("", "malformed: EOF"),
        ("[1]", "it is not an object"),
        (r#"{"input": [[1]]}"#, "no tensor `input_data`, did you mean `input`?"),
        (r#"{"input_data": 1}"#, "not a list of tensors"),
        (r#"{"input_data": [1, 2]}"#, "it has 2 entries, one per tensor"),
        (r#"{"input_data": [1]}"#, "it is a flat list"),
        (r#"{"input_data": [[1], [2]]}"#, "exactly one is supported"),
        (r#"{"input_data": []}"#, "it has 0 entries"),
        (r#"{"input_data": [[1, "2"]]}"#, "index [1] is not a number"),
        (r#"{"input_data": [[1, null]]}"#, "index [1] is not a number"),
        (r#"{"input_data": [[[1, 2], [3]]]}"#, "index [1] has another length"),
        (r#"{"input_data": [[[1, 2], 3]]}"#, "index [1] is a number among lists"),
        (r#"{"input_data": [[1, [2]]]}"#, "index [1] has another length"),
        (r#"{"input_data": [[9007199254740993]]}"#, "index [0] is an integer beyond 2^53"),
        (r#"{"input_data": [[1e999]]}"#, "number out of range"),
        (r#"{"input_data": [[NaN]]}"#, "expected value"),
    ];
    for (text, expected) in cases {
        let error = read_json(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let deep = format!("{{\"input_data\": {}", "[".repeat(100_000));
    assert!(read_json(&deep).unwrap_err().to_string().contains("recursion limit"));
    let array = read_json(r#"{"input_data": [[1, 2, 3]]}"#).unwrap();
    for shape in [&[2][..], &[0], &[usize::MAX, 2]] {
        assert!(array.samples(shape).is_err() && array.clone().reshaped(shape).is_err(), "{shape:?}");
    }
}
