//! Shapes, batches, boolean points, and what is refused.

mod common;

use common::{Felt, accepts, einsum, entries, honest, matmul, product, random_matmul, rejection, rng, setup};
use p3_field::PrimeCharacteristicRing;
use zkml_core::{
    Bn254, Bounds, Claim, Einsum, Instance, LayerProver, LayerVerifier, Program, ProverTranscript, Relation, Residence,
    Shape, TensorId, VerifierTranscript, Witness,
};
use zkml_device::Device;
use zkml_testkit::cases::Case;
use zkml_testkit::driver::{Setup, Side, Verdict, prove, verify};
use zkml_zkmatrix::ZkMatrix;

#[test]
fn matrix_products_of_all_shapes_are_proven() {
    let shapes = [[1, 1, 1], [1, 8, 1], [2, 4, 8], [16, 16, 16], [8, 1, 8], [1, 5, 3], [3, 6, 1], [7, 33, 5]];
    for shape in shapes {
        let setup = random_matmul(shape);
        accepts(&setup);
        let rounds = shape[1].next_power_of_two().ilog2() as usize;
        let bytes = if rounds == 0 { 64 } else { 64 + 96 + 1440 * rounds + 96 };
        assert_eq!(honest(&setup).bytes.len(), bytes, "{shape:?}");
    }
}

#[test]
fn zero_negative_and_extreme_matrices_are_proven() {
    let shape = [2, 4, 3];
    let (a, b) = (entries(8, &mut rng()), entries(12, &mut rng()));
    let zeros = |n: usize| vec![0; n];
    let cases = [
        (zeros(8), zeros(12)),
        (a.clone(), zeros(12)),
        (zeros(8), b),
        (vec![-128; 8], vec![127; 12]),
        (vec![-128; 8], vec![-128; 12]),
        // Only the first or only the second half of the contracted index is used.
        ([1, 2, 0, 0, 3, 4, 0, 0].to_vec(), vec![1; 12]),
        ([0, 0, 1, 2, 0, 0, 3, 4].to_vec(), vec![1; 12]),
        (a, [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1].to_vec()),
    ];
    for (a, b) in cases {
        accepts(&matmul(shape, a, b));
    }
}

/// `C_i = A_i B_i`, as one product with a batch letter.
fn batch(count: usize, [m, l, n]: [usize; 3]) -> Setup {
    let mut rng = rng();
    let (a, b) = (entries(count * m * l, &mut rng), entries(count * l * n, &mut rng));
    let products = (0..count).flat_map(|i| product([m, l, n], &a[i * m * l..], &b[i * l * n..]));
    let c: Vec<i64> = products.collect();
    let operands: [(&[usize], Vec<i64>); 2] = [(&[count, m, l], a), (&[count, l, n], b)];
    setup(&einsum("bmk,bkn->bmn", &operands, (&[count, m, n], c)))
}

#[test]
fn batches_of_products_are_one_proof() {
    let single = honest(&batch(1, [2, 4, 3])).bytes;
    assert_eq!(single.len(), honest(&random_matmul([2, 4, 3])).bytes.len());
    for (count, shape) in [(2, [2, 4, 3]), (3, [2, 3, 2]), (4, [1, 1, 1]), (5, [1, 2, 1])] {
        let setup = batch(count, shape);
        accepts(&setup);
        // One product of several is wrong by one.
        let output = setup.statement.relation.output().unwrap();
        for cell in [0, count * shape[0] * shape[2] - 1] {
            let mut wrong = setup.clone();
            wrong.witness = setup.altered(output, cell, 1).unwrap();
            rejection(&wrong, &honest(&wrong).bytes, "one product of a batch is wrong");
        }
    }
}

#[test]
fn products_with_a_common_operand_are_one_proof() {
    let ([count, m, l, n], mut rng) = ([3, 2, 4, 3], rng());
    let (a, b) = (entries(count * m * l, &mut rng), entries(l * n, &mut rng));
    let c = product([count * m, l, n], &a, &b);
    let operands: [(&[usize], Vec<i64>); 2] = [(&[count, m, l], a), (&[l, n], b)];
    let stacked = setup(&einsum("bmk,kn->bmn", &operands, (&[count, m, n], c)));
    accepts(&stacked);
    assert_eq!(honest(&stacked).bytes.len(), honest(&random_matmul([m, l, n])).bytes.len());
    let mut wrong = stacked.clone();
    wrong.witness = stacked.altered(stacked.statement.relation.output().unwrap(), 7, -1).unwrap();
    rejection(&wrong, &honest(&wrong).bytes, "one product with the common operand is wrong");
}

/// Whether a claim on the output at `point` with `value` is proven and accepted, and leads to true claims.
fn at_point(setup: &Setup, point: &[Felt], value: impl Fn(Felt) -> Felt) -> bool {
    let change = |claim: &mut Claim<Felt>| {
        let Setup { statement, witness, .. } = setup;
        let shape = statement.instance().shape(claim.tensor);
        let column = witness.get(claim.tensor).unwrap();
        let cell = |i| <Bn254 as zkml_core::Suite>::from_i64(column.get(i).unwrap());
        claim.point = point.to_vec();
        claim.value = value(zkml_core::mle::evaluate(&shape, point, cell));
    };
    let side = Side::<Bn254> { change: Some(&change), ..Side::honest(setup) };
    let proof = prove(&ZkMatrix, side, &setup.witness).unwrap();
    matches!(verify(&ZkMatrix, side, &proof.bytes), Verdict::Accepted(_))
}

/// Weights of a batch letter at a boolean coordinate are zero for half of the indices.
#[test]
fn claims_at_boolean_points_are_proven_and_wrong_ones_are_not() {
    for setup in [batch(3, [2, 3, 2]), random_matmul([4, 4, 4])] {
        let variables = setup.statement.instance().shape(setup.statement.relation.output().unwrap()).variables();
        for index in 0..1_usize << variables {
            let point: Vec<Felt> = (0..variables).rev().map(|i| Felt::from_bool(index >> i & 1 == 1)).collect();
            assert!(at_point(&setup, &point, |value| value), "cell {index}");
            assert!(!at_point(&setup, &point, |value| value + Felt::ONE), "cell {index} plus one");
        }
    }
}

#[test]
fn letters_of_one_operand_are_summed_and_outer_products_need_no_rounds() {
    let mut rng = rng();
    let (a, b) = (entries(3 * 5, &mut rng), entries(5 * 2, &mut rng));
    // Σ_ij a_ik b_kj: both letters besides the contracted one are summed by themselves.
    let total: i64 = product([3, 5, 2], &a, &b).iter().sum();
    let operands: [(&[usize], Vec<i64>); 2] = [(&[3, 5], a.clone()), (&[5, 2], b.clone())];
    accepts(&setup(&einsum("ik,kj->", &operands, (&[], vec![total]))));
    let cells = a.iter().flat_map(|x| b.iter().map(move |y| x * y)).collect();
    let operands: [(&[usize], Vec<i64>); 2] = [(&[15], a), (&[10], b)];
    let outer = setup(&einsum("i,j->ij", &operands, (&[15, 10], cells)));
    accepts(&outer);
    assert_eq!(honest(&outer).bytes.len(), 64);
}

/// The output of an einsum by its definition; letters have the lengths that `length` gives them.
fn by_definition(subscripts: &str, operands: &[&[i64]; 2], length: fn(char) -> usize) -> Vec<i64> {
    let (inputs, output) = subscripts.split_once("->").unwrap();
    let inputs: Vec<&str> = inputs.split(',').collect();
    let letters = Einsum::new("test", subscripts, TensorId(0), &[TensorId(0); 2]).unwrap().all_indices();
    let mut cells = vec![0; output.chars().map(length).product()];
    for mut index in 0..letters.iter().map(|&c| length(c)).product::<usize>() {
        let mut values = std::collections::HashMap::new();
        for &c in letters.iter().rev() {
            values.insert(c, index % length(c));
            index /= length(c);
        }
        let place = |string: &str| string.chars().fold(0, |at, c| at * length(c) + values[&c]);
        cells[place(output)] += operands[0][place(inputs[0])] * operands[1][place(inputs[1])];
    }
    cells
}

/// Letters in other orders in every tensor, with lengths that tell them apart.
#[test]
fn letters_in_any_order_are_proven_and_one_wrong_cell_is_rejected() {
    let length = |c| match c {
        'b' => 3,
        'h' => 2,
        'x' => 5,
        _ => 4,
    };
    let mut rng = rng();
    for subscripts in ["bhx,hbx->hb", "xhb,bxh->bh", "bqx,kbx->qbk", "xqb,xkb->kqb", "qxh,xkh->hk", "xb,kbx->"] {
        let (inputs, output) = subscripts.split_once("->").unwrap();
        let dims: Vec<Vec<usize>> =
            inputs.split(',').chain([output]).map(|string| string.chars().map(length).collect()).collect();
        let [a, b] = [0, 1].map(|i| entries(dims[i].iter().product(), &mut rng));
        let cells = by_definition(subscripts, &[&a, &b], length);
        let setup = setup(&einsum(subscripts, &[(&dims[0], a), (&dims[1], b)], (&dims[2], cells)));
        accepts(&setup);
        let mut wrong = setup.clone();
        wrong.witness = setup.altered(setup.statement.relation.output().unwrap(), 0, 1).unwrap();
        rejection(&wrong, &honest(&wrong).bytes, "the first cell is wrong");
    }
}

/// Both operands are one tensor: the two claims on it are at different points.
#[test]
fn a_matrix_times_its_transpose_is_proven_and_its_square_is_another_statement() {
    let a = entries(16, &mut rng());
    let case = |subscripts: &str, cells: &[i64]| {
        let (mut program, mut witness) = (Program::default(), Witness::default());
        let mut tensor = |values: &[i64], residence| {
            let shape = Shape::new([4, 4]).unwrap();
            let tensor = program.tensor("tensor", shape, Bounds::new(-1 << 40, 1 << 40), residence);
            witness.set_i64(&program, tensor, values.to_vec());
            tensor
        };
        let (input, output) = (tensor(&a, Residence::Fixed), tensor(cells, Residence::Virtual));
        let relation = Einsum::new("test/product", subscripts, output, &[input, input]).unwrap();
        let relation = program.relation(Relation::Einsum(relation));
        setup(&Case { name: subscripts.to_owned(), program, relation, witness })
    };
    let length = |_| 4;
    let gram = by_definition("ik,jk->ij", &[&a, &a], length);
    let square = by_definition("ik,kj->ij", &[&a, &a], length);
    accepts(&case("ik,jk->ij", &gram));
    accepts(&case("ik,kj->ij", &square));
    let wrong = case("ik,jk->ij", &square);
    rejection(&wrong, &honest(&wrong).bytes, "the square in place of the product with the transpose");
}

fn refusal(subscripts: &str, operands: &[&[usize]], output: &[usize]) -> String {
    let tensors: Vec<(&[usize], Vec<i64>)> = operands.iter().map(|&dims| (dims, vec![])).collect();
    let Case { program, relation, .. } = einsum(subscripts, &tensors, (output, vec![]));
    let instance = Instance { program: &program, relation: &program.relations()[relation.0], advice: &[] };
    let refusal = LayerVerifier::<Bn254>::supports(&ZkMatrix, &instance).unwrap_err();
    // What is refused is neither proven nor verified, and costs nothing.
    let claim = Claim::new(instance.relation.output().unwrap(), Vec::new(), Felt::ZERO);
    let mut transcript = ProverTranscript::<Bn254>::new();
    let witness = zkml_core::Witness::default();
    assert!(ZkMatrix.prove(&instance, &witness, Some(&claim), &mut transcript, &Device::cpu()).is_err());
    assert!(ZkMatrix.verify(&instance, Some(&claim), &mut VerifierTranscript::new(&[0; 64])).is_err());
    assert_eq!(ZkMatrix.cost(&instance), zkml_core::Cost::default());
    refusal.to_string()
}

#[test]
fn what_is_no_product_of_two_tensors_is_refused_with_a_way_out() {
    for (subscripts, operands, output) in [
        ("bi->b", vec![&[2, 3][..]], &[2][..]),
        ("bi,b,i->bi", vec![&[2, 3], &[2], &[3]], &[2, 3]),
        ("b,b,b->b", vec![&[2], &[2], &[2]], &[2]),
    ] {
        let message = refusal(subscripts, &operands, output);
        assert!(message.contains("two tensors") && message.contains("use `sumcheck`"), "{message}");
    }
    let message = refusal("bi,bi->b", &[&[128, 128], &[128, 128]], &[128]);
    assert!(message.contains("2^14") && message.contains("2^13") && message.contains("use `sumcheck`"), "{message}");
    assert!(refusal("ii,ij->j", &[&[2, 2], &[2, 3]], &[3]).contains("diagonals"));
    assert!(refusal("ij,jk->ik", &[&[2, 3], &[4, 5]], &[2, 5]).contains("different lengths"));
    assert!(refusal("ij,jk->ikz", &[&[2, 3], &[3, 5]], &[2, 5, 2]).contains("occurs in no operand"));
    assert!(refusal("ij,jk->ik", &[&[2, 3, 1], &[3, 5]], &[2, 5]).contains("3 axes but 2 letters"));
    let mut program = Program::default();
    let x = program.tensor("x", Shape::new([4]).unwrap(), Bounds::new(0, 1), Residence::Committed);
    let lookup = program.lookup("lookup", zkml_core::Table::Range { bits: 1 }, vec![vec![x]]);
    let instance = Instance { program: &program, relation: &program.relations()[lookup.0], advice: &[] };
    let message = LayerVerifier::<Bn254>::supports(&ZkMatrix, &instance).unwrap_err().to_string();
    assert!(message.contains("lookup protocol"), "{message}");
}

#[test]
fn claims_that_do_not_fit_are_errors() {
    let setup = random_matmul([2, 4, 2]);
    let instance = setup.statement.instance();
    let output = instance.relation.output().unwrap();
    let other = instance.relation.inputs()[0];
    let claims = [
        None,
        Some(Claim::new(output, vec![Felt::ONE; 1], Felt::ZERO)),
        Some(Claim::new(output, vec![Felt::ONE; 3], Felt::ZERO)),
        Some(Claim::new(other, vec![Felt::ONE; 2], Felt::ZERO)),
    ];
    for claim in &claims {
        let mut transcript = ProverTranscript::<Bn254>::new();
        let proven = ZkMatrix.prove(&instance, &setup.witness, claim.as_ref(), &mut transcript, &Device::cpu());
        assert!(proven.is_err(), "{claim:?}");
        let bytes = honest(&setup).bytes;
        assert!(ZkMatrix.verify(&instance, claim.as_ref(), &mut VerifierTranscript::new(&bytes)).is_err(), "{claim:?}");
    }
}
