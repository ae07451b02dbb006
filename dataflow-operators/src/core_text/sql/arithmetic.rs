//! Whole numbers added, subtracted, multiplied and raised to a power in 64 bits, where Polars would go on at the other end of the range: `LENGTH(text) - 20` is negative for a
//! short text, and what does not fit is null.

use std::sync::Arc;

use polars::prelude::arity::broadcast_binary_elementwise;
use polars::prelude::{
    Column, DataType, Expr, Field, FunctionExpr, Int64Chunked, IntoColumn, Operator, PolarsResult, PowFunction, Schema, UnknownKind, map_multiple,
};

type Checked = fn(i128, i128) -> Option<i128>;

/// An expression with its arithmetic of whole numbers in 64 bits, for columns of these types.
pub(super) fn in_64_bits(expression: Expr, schema: &Schema) -> Expr {
    let are_whole = |sides: [&Expr; 2]| sides.iter().all(|side| side.to_field(schema).is_ok_and(|field| is_whole(&field.dtype)));
    expression.map_expr(|part| match part {
        Expr::BinaryExpr { left, op, right } => match checked(op) {
            Some(of_two) if are_whole([&left, &right]) => worked_out(of_two, Arc::unwrap_or_clone(left), Arc::unwrap_or_clone(right)),
            _ => Expr::BinaryExpr { left, op, right },
        },
        Expr::Function { mut input, function: FunctionExpr::Pow(PowFunction::Generic) } if matches!(&*input, [base, exponent] if are_whole([base, exponent])) =>
        {
            let (exponent, base) = (input.swap_remove(1), input.swap_remove(0));
            match &exponent {
                // A fraction, of which Polars knows nothing among whole numbers.
                Expr::Literal(constant) if constant.extract_i64().is_ok_and(|exponent| exponent < 0) => base.cast(DataType::Float64).pow(exponent),
                _ => worked_out(power, base, exponent),
            }
        }
        other => other,
    })
}

fn is_whole(of: &DataType) -> bool {
    of.is_integer() || matches!(of, DataType::Unknown(UnknownKind::Int(_)))
}

fn checked(op: Operator) -> Option<Checked> {
    match op {
        Operator::Plus => Some(i128::checked_add),
        Operator::Minus => Some(i128::checked_sub),
        Operator::Multiply => Some(i128::checked_mul),
        _ => None,
    }
}

/// Null for what is no whole number too.
fn power(base: i128, exponent: i128) -> Option<i128> {
    match (base, u32::try_from(exponent)) {
        (_, Ok(exponent)) => base.checked_pow(exponent),
        (1, Err(_)) => Some(1),
        (_, Err(_)) => None,
    }
}

fn worked_out(of_two: Checked, left: Expr, right: Expr) -> Expr {
    let work = move |columns: &mut [Column]| -> PolarsResult<Column> {
        let wide = |column: &Column| column.cast(&DataType::Int128);
        let (left, right) = (wide(&columns[0])?, wide(&columns[1])?);
        let found: Int64Chunked =
            broadcast_binary_elementwise(left.i128()?, right.i128()?, |left: Option<i128>, right: Option<i128>| i64::try_from(of_two(left?, right?)?).ok());
        Ok(found.into_column().with_name(columns[0].name().clone()))
    };
    map_multiple(work, [left, right], |_, fields| Ok(Field::new(fields[0].name().clone(), DataType::Int64)))
}
