//! How an einsum is reduced, decided by shapes and index letters alone, so that both halves agree.

use zkml_core::{Einsum, Instance, Relation, TensorId};

/// A distinct operand: the product of all occurrences of one tensor with the same letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Factor {
    pub(super) tensor: TensorId,
    /// Positions in [`Plan::letters`], axes in order.
    pub(super) letters: Vec<usize>,
    pub(super) power: usize,
}

/// An index letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) length: usize,
    pub(super) variables: usize,
    /// Where its coordinates start in the claim's point; `None` for a summed letter.
    pub(super) output: Option<usize>,
    /// True if it takes no rounds: it occurs once, or has length one.
    pub(super) closed: bool,
}

/// Factors that are connected through letters other than the phase's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The factor whose letters include all of the group's: the one with the phase's letter, if there is one.
    pub(super) hull: usize,
    /// The other factors.
    pub(super) others: Vec<usize>,
    /// Whether the hull has the phase's letter.
    pub(super) dependent: bool,
}

/// Consecutive rounds of one degree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// One letter; everything else is contracted to vectors over it.
    Single { letter: usize, groups: Vec<Group> },
    /// All remaining letters at once, over the cube of their variables.
    Joint { letters: Vec<usize> },
}

/// The whole reduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) output: TensorId,
    pub(super) factors: Vec<Factor>,
    pub(super) letters: Vec<Letter>,
    pub(super) phases: Vec<Phase>,
    /// Number of coordinates of the claim.
    pub(super) claim_variables: usize,
}

impl Phase {
    /// The letters whose variables are bound, in order.
    pub(super) fn letters(&self) -> &[usize] {
        match self {
            Self::Single { letter, .. } => core::slice::from_ref(letter),
            Self::Joint { letters } => letters,
        }
    }
}

impl Plan {
    /// The plan of an einsum; what is wrong with it if it is not one, or its shapes do not fit together.
    pub(super) fn new(instance: &Instance<'_>) -> Result<Self, String> {
        let Relation::Einsum(einsum) = instance.relation else {
            return Err("it reduces sums of products only; use a lookup protocol".to_owned());
        };
        let names = einsum.all_indices();
        let mut letters = letters(instance, einsum)?;
        let mut factors: Vec<Factor> = Vec::new();
        for operand in &einsum.operands {
            let own = positions(&names, &operand.indices);
            match factors.iter_mut().find(|f| f.tensor == operand.tensor && f.letters == own) {
                Some(factor) => factor.power += 1,
                None => factors.push(Factor { tensor: operand.tensor, letters: own, power: 1 }),
            }
        }
        for (i, letter) in letters.iter_mut().enumerate() {
            let powers: usize = factors.iter().filter(|f| f.letters.contains(&i)).map(|f| f.power).sum();
            letter.closed = letter.variables == 0 || powers == 1;
        }
        let claim_variables = letters.iter().filter(|l| l.output.is_some()).map(|l| l.variables).sum();
        let open = (0..letters.len()).filter(|&i| !letters[i].closed).collect();
        let phases = phases(&factors, open);
        Ok(Self { output: einsum.output, factors, letters, phases, claim_variables })
    }

    /// Degree of a phase's rounds.
    pub(super) fn degree(&self, phase: &Phase) -> usize {
        let bound = |f: &&Factor| f.letters.iter().any(|l| phase.letters().contains(l));
        self.factors.iter().filter(bound).map(|f| f.power).sum()
    }

    /// Number of rounds of a phase.
    pub(super) fn rounds(&self, phase: &Phase) -> usize {
        phase.letters().iter().map(|&l| self.letters[l].variables).sum()
    }

    /// Variables of closed, summed letters of a factor: its partial sum is `2^n` times its value at one half.
    pub(super) fn halved_variables(&self, factor: &Factor) -> usize {
        let own = factor.letters.iter().map(|&l| &self.letters[l]);
        own.filter(|l| l.closed && l.output.is_none()).map(|l| l.variables).sum()
    }
}

fn letters(instance: &Instance<'_>, einsum: &Einsum) -> Result<Vec<Letter>, String> {
    let mut offset = 0;
    let mut letters = Vec::new();
    for (i, length) in einsum.lengths(instance.program)?.into_iter().enumerate() {
        let variables = zkml_core::shape::log2_ceil(length);
        let summed = i >= einsum.output_indices.len();
        letters.push(Letter { length, variables, output: (!summed).then_some(offset), closed: false });
        offset += if summed { 0 } else { variables };
    }
    Ok(letters)
}

fn positions(names: &[char], indices: &[char]) -> Vec<usize> {
    indices.iter().filter_map(|c| names.iter().position(|n| n == c)).collect()
}

/// Takes single letters off while that is possible; the rest is one joint phase.
fn phases(factors: &[Factor], mut open: Vec<usize>) -> Vec<Phase> {
    let mut phases = Vec::new();
    while open.len() > 1 {
        let Some((letter, groups)) = open.iter().find_map(|&l| Some((l, groups(factors, &open, l)?))) else { break };
        open.retain(|&l| l != letter);
        phases.push(Phase::Single { letter, groups });
    }
    if !open.is_empty() {
        phases.push(Phase::Joint { letters: open });
    }
    phases
}

/// The groups of factors if `letter` can be a phase of its own: the other open letters of each group can be summed
/// out, leaving at most one multilinear vector over `letter` per group.
fn groups(factors: &[Factor], open: &[usize], letter: usize) -> Option<Vec<Group>> {
    let others =
        |f: &Factor| -> Vec<usize> { f.letters.iter().copied().filter(|l| *l != letter && open.contains(l)).collect() };
    let mut groups = Vec::new();
    let mut seen = vec![false; factors.len()];
    for start in 0..factors.len() {
        if seen[start] || !factors[start].letters.iter().any(|l| open.contains(l)) {
            continue;
        }
        let (mut members, mut reached) = (vec![start], others(&factors[start]));
        seen[start] = true;
        while let Some(next) =
            (0..factors.len()).find(|&i| !seen[i] && others(&factors[i]).iter().any(|l| reached.contains(l)))
        {
            seen[next] = true;
            members.push(next);
            reached.extend(others(&factors[next]));
        }
        groups.push(group(factors, letter, &members, &reached)?);
    }
    Some(groups)
}

fn group(factors: &[Factor], letter: usize, members: &[usize], reached: &[usize]) -> Option<Group> {
    let covers = |i: usize| reached.iter().all(|l| factors[i].letters.contains(l));
    let dependent: Vec<usize> = members.iter().copied().filter(|&i| factors[i].letters.contains(&letter)).collect();
    let hull = match dependent.as_slice() {
        [] => members.iter().copied().find(|&i| covers(i))?,
        [only] if reached.is_empty() || (factors[*only].power == 1 && covers(*only)) => *only,
        _ => return None,
    };
    let others = members.iter().copied().filter(|&i| i != hull).collect();
    Some(Group { hull, others, dependent: !dependent.is_empty() })
}

#[cfg(test)]
mod tests {
    use zkml_core::{Bounds, Program, Residence, Shape};

    use super::*;

    /// The plan of an index string; every letter has the length its position in `lengths` gives.
    fn plan(subscripts: &str, sources: &[usize], lengths: &[(char, usize)]) -> Result<Plan, String> {
        let mut program = Program::default();
        let length = |c: char| lengths.iter().find(|(l, _)| *l == c).map_or(4, |l| l.1);
        let mut add = |indices: &str| {
            let shape = Shape::new(indices.chars().map(length).collect::<Vec<_>>()).unwrap();
            program.tensor(indices, shape, Bounds::new(-1, 1), Residence::Committed)
        };
        let (inputs, output) = subscripts.split_once("->").unwrap();
        let tensors: Vec<TensorId> = inputs.split(',').map(&mut add).collect();
        let output = add(output);
        let operands: Vec<TensorId> = sources.iter().map(|&s| tensors[s]).collect();
        let einsum = Einsum::new("t", subscripts, output, &operands).unwrap();
        let relation = Relation::Einsum(einsum);
        Plan::new(&Instance { program: &program, relation: &relation, advice: &[] })
    }

    /// Rounds and degree of each phase.
    fn rounds(subscripts: &str, sources: &[usize]) -> Vec<(usize, usize)> {
        let plan = plan(subscripts, sources, &[]).unwrap();
        plan.phases.iter().map(|p| (plan.rounds(p), plan.degree(p))).collect()
    }

    #[test]
    fn phases_follow_the_index_string() {
        assert_eq!(rounds("bi,oi->bo", &[0, 1]), [(2, 2)]);
        assert_eq!(rounds("bi,b,i->bi", &[0, 1, 2]), [(2, 2), (2, 2)]);
        assert_eq!(rounds("bi,bi->b", &[0, 0]), [(4, 2)]);
        assert_eq!(rounds("b,b,b->b", &[0, 0, 1]), [(2, 3)]);
        assert_eq!(rounds("b,i->bi", &[0, 1]), []);
        assert_eq!(rounds("bi->ib", &[0]), []);
        assert_eq!(rounds("bi,i->bi", &[0, 1]), [(2, 2)]);
        assert_eq!(rounds("bmk,bkn->bmn", &[0, 1]), [(4, 2)]);
        assert_eq!(rounds("bi,bi,b->bi", &[0, 1, 2]), [(4, 3)]);
        assert_eq!(rounds("b,b,i,i->bi", &[0, 1, 2, 3]), [(2, 2), (2, 2)]);
        assert_eq!(rounds("abc,a,b,c->abc", &[0, 1, 2, 3]), [(2, 2), (2, 2), (2, 2)]);
    }

    #[test]
    fn axes_of_length_one_take_no_rounds() {
        let plan = plan("bi,bi->b", &[0, 0], &[('b', 1), ('i', 8)]).unwrap();
        assert_eq!(plan.phases, [Phase::Joint { letters: vec![1] }]);
    }

    #[test]
    fn malformed_einsums_are_refused_with_a_reason() {
        assert!(plan("bb->b", &[0], &[]).unwrap_err().contains("diagonals"));
        assert!(plan("b->bi", &[0], &[]).unwrap_err().contains("no operand"));
        assert!(plan("bi,ib->b", &[0, 0], &[('b', 2), ('i', 4)]).unwrap_err().contains("different lengths"));
    }
}
