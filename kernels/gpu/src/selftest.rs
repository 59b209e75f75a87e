//! Known answers, asked for before an adapter is used.
//!
//! Products and conversions of edge values in every field, against 128-bit arithmetic on the host, two rounds of a
//! weighted sumcheck, and a Fourier transform. A driver that miscompiles one of the shaders does not get past this.

use p3_goldilocks::Goldilocks;
use zkml_device::{Column, Combination, Contents, DeviceError, Expression, FieldKind, Point, Round, Rounds, Sumcheck};

use crate::context::{Args, Context};
use crate::host::{self, Element, P};
use crate::shader::vectors as kernels;
use crate::{fourier, rounds, vectors};

/// Values next to the carries.
const EDGES: [u64; 17] = [
    0,
    1,
    2,
    7,
    0xffff,
    0x1_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0xffff_ffff_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_fffe_ffff_ffff,
    P - 0xffff_ffff,
    P - 2,
    P - 1,
];

/// Asks all questions; the error says which answer was wrong.
pub(crate) fn run(context: &Context) -> Result<(), String> {
    for field in FieldKind::ALL {
        products(context, field)?;
    }
    integers(context)?;
    sumcheck(context, FieldKind::Goldilocks2)?;
    let right = fourier::known_answer(context).map_err(|e| e.to_string())?;
    if right { Ok(()) } else { Err("a wrong Fourier transform".to_owned()) }
}

/// Elements whose words are edge values.
fn element(field: FieldKind, seed: usize) -> Element {
    host::element(&[EDGES[seed % 17], EDGES[(seed * 5 + 3) % 17], EDGES[(seed * 3 + 11) % 17]][..field.words()])
}

fn products(context: &Context, field: FieldKind) -> Result<(), String> {
    let words = |of: &dyn Fn(usize) -> Element| -> Vec<u64> {
        (0..289).flat_map(|i| of(i)[..field.words()].to_vec()).collect()
    };
    let (left, right) = (|i: usize| element(field, i / 17), |i: usize| element(field, i % 17));
    let expected = words(&|i| host::mul(field, left(i), right(i)));
    let answer = || -> Result<Vec<u64>, DeviceError> {
        let inputs =
            [vectors::upload(context, field, &words(&left))?, vectors::upload(context, field, &words(&right))?];
        let (_, out) = context.vector("products", Contents::Elements(field), 289)?;
        let mut windows = Vec::new();
        for input in &inputs {
            windows.push(context.find(input)?.window(context, 0, 289).0);
        }
        windows.push(out.window(context, 0, 289).0);
        let kernel = kernels::products(context.dialect(field));
        context.run(&[context.dispatch(&kernel, Args::new(&[289, 1])?, windows, 2)?])?;
        vectors::read_vector(context, &out)
    };
    if answer().map_err(|e| e.to_string())? == expected { Ok(()) } else { Err(format!("wrong products in {field:?}")) }
}

fn integers(context: &Context) -> Result<(), String> {
    let values: Vec<i64> = EDGES.iter().flat_map(|&e| [e as i64, (e as i64).wrapping_neg()]).collect();
    let columns = [
        Column::I64(values.clone()),
        Column::I32(values.iter().map(|&v| v as i32).collect()),
        Column::I16(values.iter().map(|&v| v as i16).collect()),
        Column::I8(values.iter().map(|&v| v as i8).collect()),
    ];
    let coefficients = [1, 1 << 40, P - 5, 1 << 63];
    let expected = |i: usize| {
        let value = |column: &Column| i128::from(column.get(i).unwrap_or(0)).rem_euclid(i128::from(P)) as u64;
        let products = columns.iter().zip(coefficients).map(|(column, c)| host::mul_words(value(column), c));
        products.fold(3, host::add_words)
    };
    let answer = || -> Result<Vec<u64>, DeviceError> {
        let buffers = columns.iter().map(|c| vectors::upload_column(context, c)).collect::<Result<Vec<_>, _>>()?;
        let combination = Combination {
            field: FieldKind::Goldilocks,
            columns: &buffers,
            coefficients: &coefficients,
            constant: &[3],
            stored: values.len(),
            tail: &[0],
            range: 0..values.len(),
        };
        vectors::download(context, &vectors::combine(context, &combination)?)
    };
    let expected: Vec<u64> = (0..values.len()).map(expected).collect();
    if answer().map_err(|e| e.to_string())? == expected {
        Ok(())
    } else {
        Err("wrong conversions of integers".to_owned())
    }
}

/// Two rounds of `Σ w(x) (f(x) g(x) + f(x))` over 2^10 entries, so that several workgroups take part.
fn sumcheck(context: &Context, field: FieldKind) -> Result<(), String> {
    const LEN: usize = 1 << 10;
    let (expression, _) = Expression::trace::<Goldilocks>(2, |x| vec![x[0] * x[1] + x[0]]);
    let points = [Point::At(0), Point::At(2), Point::Infinity];
    let mut factors = [0, 5].map(|shift| (0..LEN).map(|i| element(field, i * i + shift * i)).collect::<Vec<Element>>());
    let (challenge, outer, inner) = (element(field, 4), [1, 2, 3, 4], 9);
    let words =
        |elements: &[Element]| -> Vec<u64> { elements.iter().flat_map(|e| e[..field.words()].to_vec()).collect() };
    let outer: Vec<Element> = outer.map(|i| element(field, i)).to_vec();
    let inner = |pairs: usize| (0..pairs / 4).map(|i| element(field, i + inner)).collect::<Vec<Element>>();

    let answer = || -> Result<Vec<Vec<u64>>, DeviceError> {
        let uploaded = factors.iter().map(|f| vectors::upload(context, field, &words(f))).collect::<Result<_, _>>()?;
        let request = Sumcheck { field, factors: uploaded, expression: expression.clone(), parameters: Vec::new() };
        let mut running = rounds::start(context, request)?;
        let (outer, first, second) = (words(&outer), words(&inner(LEN / 2)), words(&inner(LEN / 4)));
        let challenge = &challenge[..field.words()];
        let rounds = [(None, &first), (Some(challenge), &second)];
        rounds
            .into_iter()
            .map(|(bind, inner)| running.round(Round { bind, points: &points, outer: &outer, inner }))
            .collect()
    };
    let answer = answer().map_err(|e| e.to_string())?;
    let mut expected = vec![words(&sums(field, &factors, &points, &outer, &inner(LEN / 2)))];
    for factor in &mut factors {
        let (low, high) = factor.split_at(LEN / 2);
        let bound = |(&l, &h): (&Element, &Element)| host::add(l, host::mul(field, challenge, host::sub(h, l)));
        *factor = low.iter().zip(high).map(bound).collect();
    }
    expected.push(words(&sums(field, &factors, &points, &outer, &inner(LEN / 4))));
    if answer == expected { Ok(()) } else { Err("wrong rounds of a sumcheck".to_owned()) }
}

fn sums(
    field: FieldKind,
    factors: &[Vec<Element>; 2],
    points: &[Point],
    outer: &[Element],
    inner: &[Element],
) -> Vec<Element> {
    let pairs = factors[0].len() / 2;
    let at = |factor: &[Element], x: usize, point: Point| {
        let (low, slope) = (factor[x], host::sub(factor[x + pairs], factor[x]));
        match point {
            Point::At(t) => host::add(low, host::mul(field, [u64::from(t), 0, 0], slope)),
            Point::Infinity => slope,
        }
    };
    let term = |x: usize, point: Point| {
        let [f, g] = [&factors[0], &factors[1]].map(|factor| at(factor, x, point));
        let weight = host::mul(field, outer[x / inner.len()], inner[x % inner.len()]);
        host::mul(field, weight, host::add(host::mul(field, f, g), f))
    };
    points.iter().map(|&point| (0..pairs).map(|x| term(x, point)).fold([0; 3], host::add)).collect()
}
