//! Every verb gives the reference's words: all fields, both preludes, random and edge values, odd shapes.

mod common;

use common::{Pair, Values, assert_words, devices, expression, kinds, shared};
use zkml_device::{
    Accelerator, Buffer, Column, Combination, DeviceError, FieldKind, IntegerEinsum, Numerators, Point, Round, Sumcheck,
};

/// Runs `check` with every device, field and a generator.
fn everywhere(seed: u64, check: impl Fn(&Pair<'_>, FieldKind, &mut Values, &str)) {
    for gpu in shared() {
        let pair = Pair::new(gpu);
        for field in FieldKind::ALL {
            let what = format!("{field:?}, prelude {}, seed {seed}", gpu.info().prelude);
            check(&pair, field, &mut Values(seed), &what);
        }
    }
}

#[test]
fn what_is_sent_comes_back() {
    everywhere(1, |pair, field, values, what| {
        for len in [0, 1, 2, 3, 257, 1000] {
            let [gpu, reference] = pair.upload(field, &values.words(field, len));
            pair.same([&gpu, &reference], what);
            let (gpu, reference) = (gpu.halves(), reference.halves());
            for (g, r) in gpu.iter().zip(&reference) {
                pair.same([g, r], &format!("half of {len}, {what}"));
            }
        }
    });
}

#[test]
fn tables_of_eq() {
    everywhere(2, |pair, field, values, what| {
        for variables in [0, 1, 2, 5, 8, 13] {
            let (point, scale) = (values.words(field, variables), values.words(field, 1));
            let [gpu, reference]: [&dyn Accelerator; 2] = [pair.gpu, &pair.reference];
            let tables = [gpu, reference].map(|device| device.eq_table(field, &point, &scale).unwrap());
            pair.same([&tables[0], &tables[1]], &format!("{variables} variables, {what}"));
        }
    });
}

/// Shapes that take each kernel: cooperative, a thread per output, in pieces.
const SPLITS: [[usize; 3]; 10] = [
    [1, 1, 1],
    [3, 7, 1],
    [5, 64, 1],
    [2, 5000, 1],
    [1, 3, 1000],
    [4, 9, 33],
    [1, 4097, 2],
    [2, 700, 3],
    [300, 2, 5],
    [1, 1, 513],
];

#[test]
fn contractions() {
    everywhere(3, |pair, field, values, what| {
        for (index, split) in SPLITS.into_iter().enumerate() {
            let [rows, middle, inner] = split;
            let weights = pair.upload(field, &values.words(field, middle));
            let elements = pair.upload(field, &values.words(field, rows * middle * inner));
            let bytes = [1, 2, 4, 8][index % 4];
            let integers = pair.column(&values.integers(bytes, rows * middle * inner));
            for (cells, of) in [(&elements, 0), (&integers, bytes)] {
                let results = [
                    pair.gpu.contract(&cells[0], split, &weights[0]).unwrap(),
                    pair.reference.contract(&cells[1], split, &weights[1]).unwrap(),
                ];
                pair.same([&results[0], &results[1]], &format!("{split:?}, integers of {of} bytes, {what}"));
            }
        }
    });
}

#[test]
fn integers_of_every_width_and_part() {
    everywhere(4, |pair, field, values, what| {
        for bytes in [1, 2, 4, 8] {
            let column = pair.column(&values.integers(bytes, 101));
            let weights = pair.upload(field, &values.words(field, 51));
            let halves = column.map(Buffer::halves);
            for (half, middle) in [(0, 50), (1, 51)] {
                let results = [
                    pair.gpu.contract(&halves[0][half], [1, middle, 1], &weights[0]).unwrap(),
                    pair.reference.contract(&halves[1][half], [1, middle, 1], &weights[1]).unwrap(),
                ];
                pair.same([&results[0], &results[1]], &format!("half {half} of integers of {bytes} bytes, {what}"));
            }
        }
    });
}

#[test]
fn combinations() {
    everywhere(5, |pair, field, values, what| {
        for (columns, len, stored, range) in
            [(0, 0, 0, 0..9), (1, 20, 20, 0..32), (4, 300, 300, 256..512), (3, 1000, 777, 100..900), (2, 9, 9, 16..32)]
        {
            let columns: Vec<[Buffer; 2]> =
                (0..columns).map(|i| pair.column(&values.integers([1, 8, 2, 4][i], len))).collect();
            let coefficients = values.words(field, columns.len());
            let (constant, tail) = (values.words(field, 1), values.words(field, 1));
            let combined = |device: &dyn Accelerator, of: usize| {
                let columns: Vec<Buffer> = columns.iter().map(|c| c[of].clone()).collect();
                let (columns, coefficients, constant, tail) =
                    (&columns[..], &coefficients[..], &constant[..], &tail[..]);
                let range = range.clone();
                device.combine(&Combination { field, columns, coefficients, constant, stored, tail, range }).unwrap()
            };
            pair.same([&combined(pair.gpu, 0), &combined(&pair.reference, 1)], &format!("{range:?}, {what}"));
        }
    });
}

#[test]
fn levels_of_fractions() {
    everywhere(6, |pair, field, values, what| {
        for len in [2, 4, 64, 2048] {
            let n = pair.upload(field, &values.words(field, len));
            let d = pair.upload(field, &values.words(field, len));
            for ones in [None, Some(0), Some(len / 3), Some(len - 1), Some(len + 5)] {
                let level = |device: &dyn Accelerator, of: usize| {
                    let numerators = ones.map_or(Numerators::Stored(&n[of]), Numerators::Ones);
                    device.add_fractions(numerators, &d[of]).unwrap()
                };
                let (ours, theirs) = (level(pair.gpu, 0), level(&pair.reference, 1));
                for (o, t) in ours.iter().zip(&theirs) {
                    pair.same([o, t], &format!("{len} nodes, ones {ones:?}, {what}"));
                }
            }
        }
    });
}

/// Runs all rounds on both, with weights in every shape, and compares everything.
fn rounds(pair: &Pair<'_>, field: FieldKind, values: &mut Values, kind: usize, variables: usize, what: &str) {
    let what = &format!("composition {kind}, {variables} variables, {what}");
    let (expression, parameters) = expression(field, kind, values);
    let points = [Point::At(0), Point::At(1), Point::At(2), Point::At(5), Point::Infinity];
    let points = &points[kind % 3..][..if kind == 4 { 2 } else { 3 }];
    let factors: Vec<[Buffer; 2]> =
        (0..expression.factors()).map(|_| pair.upload(field, &values.words(field, 1 << variables))).collect();
    let start = |of: usize| Sumcheck {
        field,
        factors: factors.iter().map(|f| f[of].clone()).collect(),
        expression: expression.clone(),
        parameters: parameters.clone(),
    };
    let mut ours = pair.gpu.sumcheck(start(0)).unwrap();
    let mut theirs = pair.reference.sumcheck(start(1)).unwrap();
    let mut challenge: Option<Vec<u64>> = None;
    let last = if kind == 0 { variables } else { variables.saturating_sub(2).max(1) };
    for round in 0..last {
        let pairs = 1usize << (variables - round - 1);
        let outer = [0, 1 << (pairs.ilog2() / 2), pairs, 0][round % 4];
        let block = pairs / outer.max(1);
        let inner = [0, block, 0, block.div_ceil(2), block][round % 5];
        let (outer, inner) = (values.words(field, outer), values.words(field, inner));
        let round = Round { bind: challenge.as_deref(), points, outer: &outer, inner: &inner };
        assert_words(&ours.round(round).unwrap(), &theirs.round(round).unwrap(), what);
        challenge = Some(values.words(field, 1));
    }
    let (ours, theirs) = (ours.finish(challenge.as_deref()).unwrap(), theirs.finish(challenge.as_deref()).unwrap());
    assert_eq!(ours.len(), theirs.len(), "{what}");
    ours.iter().zip(&theirs).for_each(|(o, t)| assert_words(o, t, what));
}

#[test]
fn rounds_of_sumchecks() {
    everywhere(7, |pair, field, values, what| {
        for &kind in kinds(pair.gpu, field) {
            let sizes: &[usize] =
                if kind == 0 { &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14] } else { &[1, 6, 10] };
            for &variables in sizes {
                rounds(pair, field, values, kind, variables, what);
            }
        }
    });
}

#[test]
fn vectors_larger_than_a_binding_are_worked_on_in_parts() {
    for gpu in devices(|options| options.max_binding = Some(2048)) {
        let pair = Pair::new(&gpu);
        for field in FieldKind::ALL {
            let (values, what) = (&mut Values(8), &format!("{field:?}, prelude {}, seed 8", gpu.info().prelude));
            for &kind in kinds(&gpu, field).iter().take(2) {
                rounds(&pair, field, values, kind, 10, what);
            }
            for split in [[3, 700, 1], [2, 5, 300], [40, 3, 9], [1, 1, 1000], [1, 700, 2]] {
                let cells = pair.column(&values.integers(4, split.iter().product()));
                let weights = pair.upload(field, &values.words(field, split[1]));
                let ours = gpu.contract(&cells[0], split, &weights[0]).unwrap();
                let theirs = pair.reference.contract(&cells[1], split, &weights[1]).unwrap();
                pair.same([&ours, &theirs], &format!("{split:?}, {what}"));
            }
            let point = values.words(field, 10);
            let scale = values.words(field, 1);
            let tables = [gpu.eq_table(field, &point, &scale), pair.reference.eq_table(field, &point, &scale)];
            let [ours, theirs] = tables.map(Result::unwrap);
            pair.same([&ours, &theirs], what);
            let levels = [
                gpu.add_fractions(Numerators::Ones(700), &ours).unwrap(),
                pair.reference.add_fractions(Numerators::Ones(700), &theirs).unwrap(),
            ];
            let stored = [
                gpu.add_fractions(Numerators::Stored(&levels[0][0]), &levels[0][1]).unwrap(),
                pair.reference.add_fractions(Numerators::Stored(&levels[1][0]), &levels[1][1]).unwrap(),
            ];
            (0..2).for_each(|i| pair.same([&stored[0][i], &stored[1][i]], what));
            let columns = pair.column(&values.integers(8, 1500));
            let (one, element) = (values.words(field, 1), values.words(field, 1));
            let combined = |device: &dyn Accelerator, column: &Buffer| {
                let columns = core::slice::from_ref(column);
                let (coefficients, constant, tail) = (&one[..], &element[..], &one[..]);
                let range = 301..1999;
                device
                    .combine(&Combination { field, columns, coefficients, constant, stored: 1500, tail, range })
                    .unwrap()
            };
            pair.same([&combined(&gpu, &columns[0]), &combined(&pair.reference, &columns[1])], what);
        }
    }
}

#[test]
fn more_factors_than_bindings_are_put_together() {
    for gpu in devices(|options| options.max_bindings = Some(8)).into_iter().take(1) {
        let pair = Pair::new(&gpu);
        let what = &format!("prelude {}, seed 9", gpu.info().prelude);
        rounds(&pair, FieldKind::Goldilocks2, &mut Values(9), 4, 9, what);
        let columns: Vec<[Buffer; 2]> = (0..15).map(|_| pair.column(&Values(9).integers(2, 500))).collect();
        let coefficients = Values(10).words(FieldKind::Goldilocks, 15);
        let combined = |device: &dyn Accelerator, of: usize| {
            let columns: Vec<Buffer> = columns.iter().map(|c| c[of].clone()).collect();
            let combination = Combination {
                field: FieldKind::Goldilocks,
                columns: &columns,
                coefficients: &coefficients,
                constant: &[5],
                stored: 500,
                tail: &[7],
                range: 0..512,
            };
            device.combine(&combination).unwrap()
        };
        pair.same([&combined(&gpu, 0), &combined(&pair.reference, 1)], what);
    }
    for gpu in
        devices(|options| (options.max_bindings, options.max_binding) = (Some(8), Some(2048))).into_iter().take(1)
    {
        let (expression, parameters) = expression(FieldKind::Goldilocks2, 4, &mut Values(9));
        let factors = (0..7).map(|_| gpu.upload(FieldKind::Goldilocks2, &vec![1; 2 << 10]).unwrap()).collect();
        let request = Sumcheck { field: FieldKind::Goldilocks2, factors, expression, parameters };
        let refused = gpu.sumcheck(request).err().unwrap();
        assert!(refused.is_refusal(), "{refused}");
    }
}

#[test]
fn integer_einsums() {
    let seed = 11;
    for gpu in shared() {
        let pair = Pair::new(gpu);
        let values = &mut Values(seed);
        let small = |values: &mut Values, bytes: usize, len: usize| match (bytes, values.integers(1, len)) {
            (1, column) => column,
            (2, column) => Column::I16(column.to_i64().iter().map(|&v| v as i16).collect()),
            (_, column) => Column::I32(column.to_i64().iter().map(|&v| v as i32).collect()),
        };
        // A matrix product, a batched one with a transposed operand, a sum over two axes, a product without a sum.
        let cases = [
            (vec![9, 33], vec![70], vec![vec![70, 0, 1], vec![0, 1, 33]], [9 * 70, 70 * 33]),
            (vec![3, 4, 5], vec![6], vec![vec![24, 6, 0, 1], vec![30, 0, 6, 1]], [72, 90]),
            (vec![7], vec![4, 11], vec![vec![44, 11, 1], vec![0, 1, 4]], [308, 44]),
            (vec![300, 4], Vec::<usize>::new(), vec![vec![4, 1], vec![0, 1]], [1200, 4]),
        ];
        for (index, (outer, inner, strides, lens)) in cases.iter().enumerate() {
            for widths in [[1, 1], [2, 1], [4, 2]] {
                let operands: Vec<[Buffer; 2]> =
                    (0..2).map(|k| pair.column(&small(values, widths[k], lens[k]))).collect();
                let result = |device: &dyn Accelerator, of: usize| {
                    let operands: Vec<Buffer> = operands.iter().map(|o| o[of].clone()).collect();
                    let request = IntegerEinsum { operands: &operands, outer, inner, strides, largest: 1 << 30 };
                    device.einsum(&request).unwrap()
                };
                let what = format!("case {index}, widths {widths:?}, prelude {}, seed {seed}", gpu.info().prelude);
                assert_eq!(result(gpu, 0), result(&pair.reference, 1), "{what}");
            }
        }
        let operand = gpu.upload_column(&Column::I32(vec![1; 8])).unwrap();
        let request =
            IntegerEinsum { operands: &[operand], outer: &[8], inner: &[], strides: &[vec![1]], largest: 1 << 31 };
        assert!(gpu.einsum(&request).unwrap_err().is_refusal());
        assert!(matches!(
            gpu.einsum(&IntegerEinsum { outer: &[9], largest: 1, ..request }),
            Err(DeviceError::Request(_))
        ));
    }
}

#[test]
fn threads_share_a_device() {
    for gpu in shared() {
        std::thread::scope(|scope| {
            for seed in 20..24 {
                scope.spawn(move || {
                    let what = format!("prelude {}, seed {seed}", gpu.info().prelude);
                    rounds(&Pair::new(gpu), FieldKind::Goldilocks2, &mut Values(seed), 0, 9, &what);
                });
            }
        });
    }
}

#[test]
fn long_sums_of_small_integers_do_not_overflow() {
    for gpu in shared() {
        let (pair, len) = (Pair::new(gpu), 40_000);
        for (column, split) in [
            (Column::I8(vec![i8::MIN; len]), [1, len, 1]),
            (Column::I16(vec![i16::MAX; 2 * len]), [1, len, 2]),
            (Column::I16(vec![i16::MIN; len]), [1, len, 1]),
        ] {
            let cells = pair.column(&column);
            let weights = pair.upload(FieldKind::Goldilocks, &vec![0xffff_ffff_0000_0000; len]);
            let ours = gpu.contract(&cells[0], split, &weights[0]).unwrap();
            let theirs = pair.reference.contract(&cells[1], split, &weights[1]).unwrap();
            pair.same([&ours, &theirs], &format!("{split:?}, prelude {}", gpu.info().prelude));
        }
    }
}
