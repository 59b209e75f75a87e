//! Every name builds, every wrong name is explained, and companions exist.

use std::collections::BTreeMap;

use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProtocolSet, Slot, Suite};
use zkml_registry::{Options, Registry, check_slot, options, protocol, protocols, slots, suite, suites};

fn build<S: Suite>(id: &str, given: &Options) -> Result<&'static str, String>
where
    Registry: ProtocolSet<S>,
{
    ProtocolSet::<S>::build(&Registry, id, given).map(|p| p.info().id)
}

#[test]
fn every_protocol_builds_over_every_suite_with_every_option() {
    let everywhere: Vec<_> = protocols().into_iter().filter(|info| info.id != "zkmatrix").collect();
    assert!(everywhere.len() > 1);
    for info in everywhere {
        assert_eq!(build::<Goldilocks>(info.id, &Options::new()), Ok(info.id));
        assert_eq!(build::<Goldilocks3>(info.id, &Options::new()), Ok(info.id));
        assert_eq!(build::<Bn254>(info.id, &Options::new()), Ok(info.id));
        for (name, values) in info.options {
            assert!(!values.is_empty(), "option {name} of {} has no values", info.id);
            for value in *values {
                let given = BTreeMap::from([((*name).to_owned(), (*value).to_owned())]);
                assert_eq!(build::<Goldilocks>(info.id, &given), Ok(info.id));
                assert_eq!(options(info.id, &given).unwrap().get(*name).map(String::as_str), Some(*value));
            }
        }
    }
}

#[test]
fn a_protocol_that_needs_pairings_is_refused_over_other_suites() {
    assert_eq!(build::<Bn254>("zkmatrix", &Options::new()), Ok("zkmatrix"));
    for message in [build::<Goldilocks>("zkmatrix", &Options::new()), build::<Goldilocks3>("zkmatrix", &Options::new())]
    {
        assert_eq!(message, Err("`zkmatrix` needs pairings: choose `suite: bn254`".to_owned()));
    }
    // It is listed all the same, and the lists of the suites agree.
    assert!(protocol("zkmatrix").unwrap().about.contains("bn254"));
    assert_eq!(slots("zkmatrix").unwrap()[&Slot::Lookup], "logup-gkr");
    let option = BTreeMap::from([("form".to_owned(), "x".to_owned())]);
    assert!(build::<Goldilocks>("zkmatrix", &option).unwrap_err().contains("option of `zkmatrix`"));
}

#[test]
fn names_are_unique_and_every_slot_is_filled() {
    let mut ids: Vec<_> = protocols().iter().map(|p| p.id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for info in protocols() {
        let filled = slots(info.id).unwrap_or_else(|e| panic!("{}: {e}", info.id));
        for slot in [Slot::Einsum, Slot::Lookup] {
            check_slot(filled[&slot], slot).unwrap();
        }
    }
}

#[test]
fn wrong_names_are_explained_with_the_nearest_one() {
    let message = protocol("revael").unwrap_err();
    assert!(
        message.contains("there is no protocol `revael`") && message.contains("did you mean `reveal`?"),
        "{message}"
    );
    let message = suite("goldilock").unwrap_err();
    assert!(message.contains("`goldilocks3`") && message.contains("did you mean `goldilocks`?"), "{message}");
    let given = BTreeMap::from([("frm".to_owned(), "x".to_owned())]);
    let message = options("reveal", &given).unwrap_err();
    assert!(message.contains("no option of `reveal` `frm`") && message.contains("there are none"), "{message}");
    assert!(build::<Goldilocks>("nothing", &Options::new()).is_err());
}

#[test]
fn suites_are_listed_with_the_default_first() {
    let ids: Vec<_> = suites().iter().map(|s| (s.id, s.security_bits)).collect();
    assert_eq!(ids, [("goldilocks", 100), ("goldilocks3", 128), ("bn254", 100)]);
}
