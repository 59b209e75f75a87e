//! The kernels `reshape`, `flatten` and `transpose`.

mod common;

use common::{accept, id, put_at, refused_by_equation, values};
use zkml_core::{Goldilocks, Relation, Residence};
use zkml_layers::{
    Dense, Flatten, Function, LayerSpec, Lowered, NetworkSpec, Node, Nonlinearity, Pointwise, Reshape, Transpose,
    check_witness, lower,
};

fn reshape(name: &str, shape: &[usize]) -> LayerSpec {
    LayerSpec::Reshape(Reshape { name: name.to_owned(), shape: shape.to_vec() })
}

fn flatten(name: &str) -> LayerSpec {
    LayerSpec::Flatten(Flatten { name: name.to_owned() })
}

fn transpose(name: &str, permutation: &[usize]) -> LayerSpec {
    LayerSpec::Transpose(Transpose { name: name.to_owned(), permutation: permutation.to_vec() })
}

fn relu(name: &str) -> LayerSpec {
    LayerSpec::Pointwise(Pointwise { name: name.to_owned(), function: Function::Relu, bits: 8 })
}

fn dense(name: &str, inputs: usize) -> LayerSpec {
    let weight = (0..5 * inputs).map(|i| f64::from((i * 7 % 31) as u32) / 30.0 - 0.5).collect();
    let nonlinearity = Nonlinearity::None;
    let (name, bias) = (name.to_owned(), None);
    LayerSpec::Dense(Dense { name, weight, inputs, bias, nonlinearity, bits: 8, per_channel: false, limb_bits: None })
}

/// Calibrated on more rows than it takes.
fn network(shape: &[usize], layers: Vec<Node>) -> Lowered {
    let cells: usize = shape.iter().product();
    let sample: Vec<f64> = (0..3 * cells).map(|i| f64::from((i * 37 % 101) as u32) - 50.0).collect();
    lower(&NetworkSpec::calibrated(shape.to_vec(), 8, &sample, layers).unwrap()).unwrap()
}

fn input(cells: usize) -> Vec<i64> {
    (0..cells as i64).map(|i| i * 31 % 255 - 127).collect()
}

/// `y[b, k, i, j] = x[b, i, j, k]` by plain loops.
fn rotated(x: &[i64], [b, i, j, k]: [usize; 4]) -> Vec<i64> {
    let mut y = Vec::new();
    for b in 0..b {
        for k2 in 0..k {
            for i2 in 0..i {
                for j2 in 0..j {
                    y.push(x[((b * i + i2) * j + j2) * k + k2]);
                }
            }
        }
    }
    y
}

#[test]
fn a_transposition_as_output_and_in_between() {
    let shape = [2, 3, 5, 4];
    let x = input(120);
    let outer = network(&shape, vec![transpose("t", &[0, 3, 1, 2]).into()]);
    let witness = accept(&outer, &x);
    assert_eq!(values(&outer, &witness, "t/output"), rotated(&x, shape));
    assert_eq!(outer.layers[0].shape.dims(), [2, 4, 3, 5]);
    assert_eq!(outer.program.get(outer.output).unwrap().residence, Residence::Public);
    let real: Vec<f64> = x.iter().map(|&v| v as f64).collect();
    assert_eq!(outer.float(&real).unwrap(), rotated(&x, shape).iter().map(|&v| v as f64).collect::<Vec<_>>());
    let inner = network(&shape, vec![transpose("t", &[0, 3, 1, 2]).into(), relu("r").into()]);
    let witness = accept(&inner, &x);
    assert_eq!(values(&inner, &witness, "r/output"), rotated(&x, shape).iter().map(|v| *v.max(&0)).collect::<Vec<_>>());
    assert_eq!(inner.program.get(id(&inner, "t/output")).unwrap().residence, Residence::Virtual);
    // There and back, and a batch of one.
    let back = vec![transpose("t", &[0, 2, 3, 1]).into(), transpose("u", &[0, 3, 1, 2]).into()];
    assert_eq!(network(&[1, 3, 5, 4], back).infer(&input(60)).unwrap(), input(60));
}

#[test]
fn reshapes_keep_the_cells_and_the_scale() {
    for row in [vec![60], vec![12, 5], vec![5, 12], vec![3, 2, 2, 5], vec![1, 3, 20, 1]] {
        let last = network(&[2, 3, 4, 5], vec![reshape("r", &row).into()]);
        let witness = accept(&last, &input(120));
        assert_eq!(values(&last, &witness, "r/output"), input(120));
        assert_eq!(last.output_quantisation, last.input_quantisation);
        assert_eq!(last.layers[0].shape.dims()[1..], row);
        let inner = network(&[2, 3, 4, 5], vec![reshape("r", &row).into(), relu("f").into(), flatten("g").into()]);
        assert_eq!(inner.infer(&input(120)).unwrap(), input(120).iter().map(|v| *v.max(&0)).collect::<Vec<_>>());
        accept(&inner, &input(120));
    }
}

/// The dense layer reads what is behind the reshape: no claim ever reaches the view.
#[test]
fn a_flatten_before_a_dense_layer_costs_nothing() {
    let bare = network(&[2, 3, 5, 4], vec![relu("f").into(), dense("d", 60).into()]);
    let layers = vec![relu("f").into(), reshape("r", &[15, 4]).into(), flatten("g").into(), dense("d", 60).into()];
    let flat = network(&[2, 3, 5, 4], layers);
    accept(&flat, &input(120));
    assert_eq!(bare.infer(&input(120)).unwrap(), flat.infer(&input(120)).unwrap());
    let used = |lowered: &Lowered| {
        let relations = lowered.program.relations().iter().filter(|r| r.kind() != "view");
        relations.flat_map(Relation::inputs).collect::<Vec<_>>()
    };
    assert!(!used(&flat).contains(&id(&flat, "g/output")) && !used(&flat).contains(&id(&flat, "r/output")));
    assert_eq!(bare.committed_cells(), flat.committed_cells());
    // Not through a transposition.
    let layers = vec![relu("f").into(), transpose("t", &[0, 2, 1]).into(), flatten("g").into(), dense("d", 60).into()];
    let moved = network(&[2, 15, 4], layers);
    accept(&moved, &input(120));
    assert!(used(&moved).contains(&id(&moved, "t/output")));
}

#[test]
fn moved_cells_are_refused() {
    let lowered = network(&[1, 3, 4], vec![transpose("t", &[0, 2, 1]).into()]);
    let witness = accept(&lowered, &input(12));
    let y = values(&lowered, &witness, "t/output");
    for (a, b) in [(0, 1), (2, 7), (10, 11)] {
        let mut forged = witness.clone();
        put_at(&lowered, &mut forged, "t/output", a, y[b]);
        put_at(&lowered, &mut forged, "t/output", b, y[a]);
        refused_by_equation(&lowered, &forged, "t/view");
    }
    // The untransposed tensor.
    let mut forged = witness.clone();
    forged.set_i64(&lowered.program, lowered.output, input(12));
    refused_by_equation(&lowered, &forged, "t/view");
    check_witness::<Goldilocks>(&lowered.program, &witness).unwrap();
    let inner = network(&[1, 3, 4], vec![transpose("t", &[0, 2, 1]).into(), relu("f").into()]);
    let mut forged = accept(&inner, &input(12));
    forged.set_i64(&inner.program, id(&inner, "t/output"), input(12));
    refused_by_equation(&inner, &forged, "t/view");
}

#[test]
fn what_does_not_fit_is_refused() {
    let error = |layer: LayerSpec| {
        let spec = NetworkSpec::calibrated([2, 3, 4], 8, &[1.0; 24], vec![layer]).unwrap();
        lower(&spec).unwrap_err().to_string()
    };
    assert!(error(reshape("r", &[11])).contains("r: the input is"), "{}", error(reshape("r", &[11])));
    assert!(error(reshape("r", &[0])).contains("does not have the cells"));
    assert!(error(transpose("t", &[1, 0, 2])).contains("keeps the batch axis 0 in front"));
    assert!(error(transpose("t", &[0, 1])).contains("not an order of the axes"));
    assert!(error(transpose("t", &[0, 1, 1])).contains("not an order of the axes"));
}
