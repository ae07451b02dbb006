//! Operators of DataFlow that are left out on purpose, and why.

use dataflow_core::docs::Docs;
use dataflow_core::private::inventory;
use dataflow_core::registry::AbsentOperator;

inventory::submit! {
    AbsentOperator {
        name: "SmilesEquivalenceDatasetEvaluator",
        why: Docs {
            en: "no kept library under this project's rules writes SMILES in a canonical form with aromaticity and stereo chemistry, and a comparison without these would call different molecules the same",
            zh: "在本项目的规则下，没有仍在维护的库能写出含芳香性与立体化学的规范 SMILES，而缺少这些的比较会把不同的分子当作相同",
        },
    }
}
