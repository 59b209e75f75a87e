//! How a product of two tensors is seen as one of vectors, decided by shapes and index letters alone.
//!
//! | letter occurs in | it is | coordinates in the claim on an operand |
//! |---|---|---|
//! | one operand, output | a row or a column | the output claim's |
//! | one operand | summed by itself | `1/2`, and a factor 2 per variable |
//! | both operands | contracted: part of the joint index | the challenge's |
//! | both operands, output | a batch: part of the joint index, weighted | the challenge's, reweighted for the first operand |

use p3_bn254::Bn254 as Felt;
use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::shape::log2_ceil;
use zkml_core::{Claim, Instance, Relation, TensorId};
use zkml_pairing::setup::MAX_LEVEL;

/// An index letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) length: usize,
    pub(crate) variables: usize,
    /// Where its coordinates start in the output claim's point; `None` for a summed letter.
    pub(crate) output: Option<usize>,
    /// Where its coordinates start in the joint point; `None` if only one operand has it.
    pub(crate) joint: Option<usize>,
}

impl Letter {
    /// The letter's coordinates in a point that has them from `start` on.
    fn part<'p>(&self, start: Option<usize>, point: &'p [Felt]) -> Option<&'p [Felt]> {
        point.get(start?..)?.get(..self.variables)
    }

    /// The letter's coordinates in the output claim's point.
    #[cfg(feature = "prover")]
    pub(crate) fn claimed<'p>(&self, point: &'p [Felt]) -> Option<&'p [Felt]> {
        self.part(self.output, point)
    }
}

/// One of the two factors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(crate) tensor: TensorId,
    /// Positions in [`Plan::letters`], axes in order.
    pub(crate) letters: Vec<usize>,
}

/// The whole reduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) output: TensorId,
    /// The output's letters first.
    pub(crate) letters: Vec<Letter>,
    pub(crate) factors: [Factor; 2],
    /// Number of coordinates of the output claim.
    pub(crate) claim_variables: usize,
    /// Number of variables of the joint index.
    pub(crate) rounds: usize,
    /// Index string and axis lengths, for the transcript.
    pub(crate) description: String,
}

impl Plan {
    /// The plan of a relation, or why it has none.
    pub(crate) fn new(instance: &Instance<'_>) -> Result<Self, String> {
        let Relation::Einsum(einsum) = instance.relation else {
            return Err("it proves products of two tensors only; use a lookup protocol".to_owned());
        };
        let [first, second] = einsum.operands.as_slice() else {
            let count = einsum.operands.len();
            return Err(format!("it proves products of two tensors, and this one has {count}; use `sumcheck` for it"));
        };
        let names = einsum.all_indices();
        let lengths = einsum.lengths(instance.program)?;
        let (mut claim_variables, mut rounds) = (0, 0);
        let mut letters = Vec::with_capacity(names.len());
        for (i, (name, &length)) in names.iter().zip(&lengths).enumerate() {
            let variables = log2_ceil(length);
            let owners = [first, second].iter().filter(|o| o.indices.contains(name)).count();
            let output = (i < einsum.output_indices.len()).then_some(claim_variables);
            let joint = (owners == 2).then_some(rounds);
            claim_variables += output.map_or(0, |_| variables);
            rounds += joint.map_or(0, |_| variables);
            letters.push(Letter { length, variables, output, joint });
        }
        if rounds > MAX_LEVEL {
            return Err(format!(
                "both operands share 2^{rounds} indices, and there are generators for 2^{MAX_LEVEL}; use `sumcheck` for it"
            ));
        }
        let position = |c: &char| names.iter().position(|n| n == c);
        let factor = |o: &zkml_core::Operand| Factor {
            tensor: o.tensor,
            letters: o.indices.iter().filter_map(position).collect(),
        };
        let description = format!("{} {lengths:?}", einsum.subscripts());
        let factors = [factor(first), factor(second)];
        Ok(Self { output: einsum.output, letters, factors, claim_variables, rounds, description })
    }

    /// The claim, if there is one with the right number of coordinates.
    pub(crate) fn claim<'a>(&self, claim: Option<&'a Claim<Felt>>) -> Result<&'a Claim<Felt>, String> {
        let claim = claim.ok_or("an einsum is proven for a claim on its output, and there is none")?;
        if claim.tensor != self.output {
            return Err("the claim is on another tensor than the einsum's output".to_owned());
        }
        if claim.point.len() != self.claim_variables {
            let (got, expected) = (claim.point.len(), self.claim_variables);
            return Err(format!("the claim on the output has {got} coordinates instead of {expected}"));
        }
        Ok(claim)
    }

    /// The joint letters that are also the output's: the leading ones of the joint index.
    pub(crate) fn batch(&self) -> impl Iterator<Item = &Letter> {
        self.letters.iter().filter(|l| l.joint.is_some() && l.output.is_some())
    }
}

/// Where the operands are evaluated, and what their values have to be multiplied by to give those of the vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Points {
    pub(crate) points: [Vec<Felt>; 2],
    /// `a~(t) = scales[0] · A~(points[0])`, `b~(t) = scales[1] · B~(points[1])`.
    pub(crate) scales: [Felt; 2],
}

impl Points {
    /// The points for an output claim at `claimed` and a joint point `t`; `None` if the weight of the batch is zero at `t`,
    /// which happens with probability `variables / r`.
    pub(crate) fn new(plan: &Plan, claimed: &[Felt], t: &[Felt]) -> Option<Self> {
        let (mut points, mut scales) = ([Vec::new(), Vec::new()], [Felt::ONE; 2]);
        let sides = plan.factors.iter().zip(points.iter_mut().zip(&mut scales)).enumerate();
        for (side, (factor, (point, scale))) in sides {
            for letter in factor.letters.iter().filter_map(|&l| plan.letters.get(l)) {
                match (letter.part(letter.output, claimed), letter.part(letter.joint, t)) {
                    (Some(r), Some(t)) if side == 0 => {
                        for (&r, &t) in r.iter().zip(t) {
                            // The weights of the two indices are (1 - r)(1 - t) and r t.
                            let weight = zkml_core::mle::eq_eval(&[r], &[t]);
                            point.push(r * t * weight.try_inverse()?);
                            *scale *= weight;
                        }
                    }
                    (_, Some(t)) => point.extend_from_slice(t),
                    (Some(r), None) => point.extend_from_slice(r),
                    (None, None) => {
                        point.extend(core::iter::repeat_n(Felt::ONE.halve(), letter.variables));
                        *scale = scale.mul_2exp_u64(letter.variables as u64);
                    }
                }
            }
        }
        Some(Self { points, scales })
    }

    /// Values of the vectors at the joint point, from those of the operands.
    pub(crate) fn of_vectors(&self, values: [Felt; 2]) -> [Felt; 2] {
        let ([a, b], [scale_a, scale_b]) = (values, self.scales);
        [scale_a * a, scale_b * b]
    }

    /// Values of the operands, from those of the vectors. The scales are not zero: weights of the batch, which
    /// [`Points::new`] has inverted, and powers of two.
    #[cfg(feature = "prover")]
    pub(crate) fn of_tensors(&self, values: [Felt; 2]) -> [Felt; 2] {
        let ([a, b], scales) = (values, self.scales.map(|scale| scale.try_inverse().unwrap_or_default()));
        [a * scales[0], b * scales[1]]
    }

    /// The claims that remain on the operands.
    pub(crate) fn claims(self, plan: &Plan, values: [Felt; 2]) -> Vec<Claim<Felt>> {
        let sides = plan.factors.iter().zip(self.points).zip(values);
        sides.map(|((factor, point), value)| Claim::new(factor.tensor, point, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use zkml_core::mle::eq_table;
    use zkml_core::{Bounds, Einsum, Program, Residence, Shape};

    use super::*;

    fn plan(subscripts: &str, operands: [&[usize]; 2], output: &[usize]) -> Plan {
        let mut program = Program::default();
        let mut tensor = |dims: &[usize]| {
            program.tensor("t", Shape::new(dims.to_vec()).unwrap(), Bounds::new(0, 1), Residence::Fixed)
        };
        let (operands, output) = (operands.map(&mut tensor), tensor(output));
        let relation = Relation::Einsum(Einsum::new("test", subscripts, output, &operands).unwrap());
        Plan::new(&Instance { program: &program, relation: &relation, advice: &[] }).unwrap()
    }

    fn felts(values: &[u64]) -> Vec<Felt> {
        values.iter().map(|&v| Felt::from_u64(v)).collect()
    }

    fn value(table: &[Felt], point: &[Felt]) -> Felt {
        eq_table(point).iter().zip(table).map(|(&e, &v)| e * v).sum()
    }

    /// The value of the weighted vector is that of the tensor at the point, times the scale.
    #[test]
    fn weights_of_a_batch_move_into_the_point() {
        let plan = plan("bk,bk->b", [&[4, 2], &[4, 2]], &[4]);
        let tensor = felts(&[3, 1, 4, 1, 5, 9, 2, 6]);
        for claimed in [felts(&[7, 12]), felts(&[0, 1]), felts(&[1, 0]), felts(&[0, 5])] {
            let weights = eq_table(&claimed);
            let weighted: Vec<Felt> = tensor.iter().enumerate().map(|(i, &v)| v * weights[i / 2]).collect();
            let t = felts(&[17, 23, 31]);
            let Points { points: [a, b], scales } = Points::new(&plan, &claimed, &t).unwrap();
            assert_eq!(value(&weighted, &t), scales[0] * value(&tensor, &a));
            assert_eq!((b, scales[1]), (t, Felt::ONE));
        }
    }

    #[test]
    fn a_batch_without_weight_has_no_points() {
        let plan = plan("bk,bk->b", [&[4, 2], &[4, 2]], &[4]);
        assert!(Points::new(&plan, &felts(&[0, 3]), &felts(&[1, 2, 3])).is_none());
        assert!(Points::new(&plan, &felts(&[5, 1]), &felts(&[7, 0, 3])).is_none());
    }

    #[test]
    fn letters_of_one_operand_are_claimed_or_halved() {
        let plan = plan("xik,ko->io", [&[4, 2, 8], &[8, 1]], &[2, 1]);
        assert_eq!((plan.rounds, plan.claim_variables), (3, 1));
        let Points { points: [a, b], scales } = Points::new(&plan, &felts(&[9]), &felts(&[2, 3, 4])).unwrap();
        let half = Felt::ONE.halve();
        assert_eq!(a, [vec![half, half], felts(&[9, 2, 3, 4])].concat());
        assert_eq!((b, scales), (felts(&[2, 3, 4]), [Felt::from_u64(4), Felt::ONE]));
    }
}
