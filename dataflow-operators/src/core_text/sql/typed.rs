//! Has each part of an expression take only values of types that it can be worked out for, so that what fails in every row is told before there are rows.

use std::sync::Arc;

use dataflow_core::registry::nearest;
use polars::prelude::{
    BooleanFunction, DataType, Expr, Field, FunctionExpr, ListFunction, NULL, Operator, Schema, StringFunction, StructFunction, TemporalFunction, UnknownKind,
    lit, when,
};

use super::{MOST_PADDED, format, texts, truths, type_name};

/// What is wrong with the first part that cannot be worked out for columns of these types.
pub(super) fn check(expression: &Expr, schema: &Schema) -> Result<(), String> {
    expression.into_iter().try_for_each(|part| fits(part, schema))
}

/// The type of a part, where it is known: of what Polars cannot tell the type, it tells itself.
fn type_of(part: &Expr, schema: &Schema) -> Option<DataType> {
    part.to_field(schema).ok().map(|field| field.dtype)
}

fn fits(part: &Expr, schema: &Schema) -> Result<(), String> {
    let of = |side: &Expr| type_of(side, schema);
    match part {
        Expr::Cast { expr, dtype, .. } => match (of(expr), dtype.as_literal()) {
            (Some(found), Some(wanted)) if !is_brought(&found, wanted) => Err(expected(type_name(&wanted.to_string()), expr, &found)),
            _ => Ok(()),
        },
        Expr::BinaryExpr { left, op, right } if is_arithmetic(*op) => match (of(left), of(right)) {
            (Some(found), _) if found.is_list() => Err(expected("a number", left, &found)),
            (_, Some(found)) if found.is_list() => Err(expected("a number", right, &found)),
            _ => Ok(()),
        },
        Expr::Function { input, function: FunctionExpr::Boolean(BooleanFunction::Not) } => match input.as_slice() {
            // Polars brings what `NOT` stands before to a truth value itself.
            [Expr::Cast { expr, .. }] => match of(expr) {
                Some(found) if is_text(&found) => Err(expected("a truth value", expr, &found)),
                _ => Ok(()),
            },
            _ => Ok(()),
        },
        Expr::Function { input, function: FunctionExpr::ListExpr(function) } => match of(&input[0]) {
            Some(DataType::List(items)) => list_fits(function, input, &items, of),
            Some(found) if is_known(&found) && !found.is_array() => Err(expected("a list", &input[0], &found)),
            _ => Ok(()),
        },
        Expr::Function { input, function: FunctionExpr::StructExpr(StructFunction::FieldByName(name)) } => match of(&input[0]) {
            Some(DataType::Struct(fields)) => has_field(&input[0], &fields, name),
            Some(found) if is_known(&found) => Err(format!("no field `{name}` is known: a dot reads a field of a record{}", and_found(&input[0], &found))),
            _ => Ok(()),
        },
        Expr::Function { input, function: function @ (FunctionExpr::MaxHorizontal | FunctionExpr::MinHorizontal) } => {
            let name = if matches!(function, FunctionExpr::MaxHorizontal) { "GREATEST" } else { "LEAST" };
            let nested = input.iter().find_map(|side| Some((side, of(side).filter(DataType::is_nested)?)));
            nested.map_or(Ok(()), |(side, found)| Err(expected(&format!("a value with an order in `{name}`"), side, &found)))
        }
        Expr::Function { input, function: FunctionExpr::TemporalExpr(TemporalFunction::ToString(format)) } => {
            of(&input[0]).map_or(Ok(()), |found| format::writes(format, &found))
        }
        _ => Ok(()),
    }
}

fn is_known(of: &DataType) -> bool {
    !of.is_null() && !of.is_unknown()
}

fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::String | DataType::Unknown(UnknownKind::Str))
}

fn is_arithmetic(op: Operator) -> bool {
    use Operator::{FloorDivide, Minus, Modulus, Multiply, Plus, RustDivide, TrueDivide};
    matches!(op, Plus | Minus | Multiply | TrueDivide | RustDivide | FloorDivide | Modulus)
}

/// Whether there is a way from a type to another for some value.
fn is_brought(found: &DataType, wanted: &DataType) -> bool {
    match (found, wanted) {
        (DataType::Struct(_), DataType::List(_)) => false,
        (_, DataType::Boolean) if found.is_temporal() => false,
        _ => !found.is_nested() || wanted.is_nested() || wanted.is_string(),
    }
}

fn list_fits(function: &ListFunction, input: &[Expr], items: &DataType, of: impl Fn(&Expr) -> Option<DataType>) -> Result<(), String> {
    let list = || DataType::List(Box::new(items.clone()));
    match function {
        ListFunction::Sum | ListFunction::Mean if !items.is_primitive_numeric() && !items.is_decimal() && !items.is_bool() && is_known(items) => {
            Err(format!("a list of numbers was expected, and {} holds {}", named(&input[0]), held(items)))
        }
        // Of a place that is 0 Polars makes null, as SQL does.
        ListFunction::Get(_) if matches!(&input[1], Expr::Literal(place) if place.is_null()) => {
            Err(format!("the place of an item was expected, counted from 1, found `0` or `NULL`\nhint: {}", looking_into(&input[0], &list())))
        }
        ListFunction::Get(_) if of(place(&input[1])).is_some_and(|found| is_text(&found)) => {
            Err(format!("an integer was expected in the brackets, the place of an item, found text\nhint: {}", looking_into(&input[0], &list())))
        }
        _ => Ok(()),
    }
}

/// The place as it was written, of which Polars makes one that counts from 0.
fn place(counted: &Expr) -> &Expr {
    match counted {
        Expr::Ternary { predicate, .. } => match &**predicate {
            Expr::BinaryExpr { left, .. } => left,
            _ => counted,
        },
        _ => counted,
    }
}

fn has_field(record: &Expr, fields: &[Field], name: &str) -> Result<(), String> {
    let names = || fields.iter().map(|field| field.name().as_str());
    if names().any(|known| known == name) || name == "*" || name.starts_with('^') {
        return Ok(());
    }
    let hint = nearest(name, names()).map_or_else(
        || format!("its fields are {}", names().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Err(format!("{} has no field `{name}`\nhint: {hint}", named(record)))
}

fn expected(wanted: &str, side: &Expr, found: &DataType) -> String {
    let column = name_of(side);
    let hint = match wanted {
        "a list" if is_text(found) => {
            format!("`STRING_TO_ARRAY({column}, ',')` splits a text into a list, and `SUBSTR({column}, 1, 1)` is its first character")
        }
        "a truth value" if is_text(found) => format!("`{column} = 'a'` compares two texts, and `CAST({column} AS BOOLEAN)` reads `true` and `false`"),
        _ => looking_into(side, found),
    };
    format!("{wanted} was expected{}\nhint: {hint}", and_found(side, found))
}

fn name_of(side: &Expr) -> &str {
    if let Expr::Column(name) = side { name } else { "…" }
}

fn named(side: &Expr) -> String {
    if let Expr::Column(name) = side { format!("`{name}`") } else { "what stands there".to_owned() }
}

fn and_found(side: &Expr, found: &DataType) -> String {
    let found = type_name(&found.to_string());
    if let Expr::Column(name) = side { format!(", and `{name}` is {found}") } else { format!(", found {found}") }
}

/// What the items of a list are called.
fn held(items: &DataType) -> &'static str {
    match items {
        DataType::String => "texts",
        DataType::Struct(_) => "records",
        DataType::List(_) => "lists",
        other if other.is_temporal() => "dates or times",
        _ => "values of another type",
    }
}

/// What reads a part of a value.
fn looking_into(side: &Expr, found: &DataType) -> String {
    let column = name_of(side);
    match found {
        DataType::List(_) => format!("`{column}[1]` is the first item of a list, and `ARRAY_LENGTH({column})` counts them"),
        DataType::Struct(fields) => {
            format!("a dot reads a field of a record, such as `{column}.{}`", fields.first().map_or("name", |field| field.name()))
        }
        date if date.is_temporal() => format!("`{column} IS NOT NULL` tells whether there is a date or a time"),
        _ => "`CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type".to_owned(),
    }
}

/// An expression in which lists and records stand beside text as their JSON, texts are read as truth values, and no text is padded to more than it may be.
pub(super) fn fitted(expression: Expr, schema: &Schema) -> Expr {
    let of = |side: &Expr| type_of(side, schema);
    let is_nested = |side: &Expr| of(side).is_some_and(|of| of.is_nested());
    let is_list = |side: &Expr| of(side).is_some_and(|of| of.is_list());
    let is_plain = |side: &Expr| of(side).is_some_and(|of| !of.is_nested() && !of.is_null());
    // Two lists are brought to one list by Polars.
    let differ = |sides: &[&Expr]| {
        let are_nested = sides.iter().any(|side| is_nested(side));
        are_nested && sides.iter().any(|side| is_plain(side) || is_nested(side) && is_list(side) != sides.iter().any(|side| is_list(side)))
    };
    let as_text = |side: Expr| if is_nested(&side) { texts(side) } else { side };
    expression.map_expr(|part| match part {
        Expr::Ternary { predicate, truthy, falsy } if differ(&[&truthy, &falsy]) => {
            let branch = |side: Arc<Expr>| Arc::new(as_text(Arc::unwrap_or_clone(side)));
            Expr::Ternary { predicate, truthy: branch(truthy), falsy: branch(falsy) }
        }
        Expr::Function { input, function: function @ (FunctionExpr::Coalesce | FunctionExpr::FillNull) } if differ(&input.iter().collect::<Vec<_>>()) => {
            Expr::Function { input: input.into_iter().map(as_text).collect(), function }
        }
        Expr::Function { input, function: function @ FunctionExpr::StringExpr(StringFunction::ConcatHorizontal { .. }) } => {
            Expr::Function { input: input.into_iter().map(as_text).collect(), function }
        }
        Expr::Function { mut input, function: function @ FunctionExpr::StringExpr(StringFunction::PadStart { .. } | StringFunction::PadEnd { .. }) }
            if of(&input[1]).is_some_and(|of| of.is_primitive_numeric()) =>
        {
            let length = input[1].clone();
            input[1] = when(length.clone().gt(lit(MOST_PADDED))).then(lit(NULL)).otherwise(length);
            Expr::Function { input, function }
        }
        Expr::Cast { expr, dtype, .. } if dtype.as_literal() == Some(&DataType::Boolean) && of(&expr).is_some_and(|of| is_text(&of)) => {
            truths(Arc::unwrap_or_clone(expr))
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::core_text::sql::written::tests::all_found;

    #[test]
    fn what_fails_in_every_row_is_refused_before_there_are_rows() {
        let expressions = [
            "CAST(l AS BOOLEAN)",
            "CAST(l AS BIGINT)",
            "CAST(r AS BIGINT)",
            "CAST(DATE(d) AS BOOLEAN)",
            "NOT t",
            "NOT l",
            "ARRAY_SUM(l)",
            "ARRAY_MEAN(rl)",
            "ARRAY_SUM(UPPER(t))",
            "ARRAY_LENGTH(t)",
            "ARRAY_TO_STRING(r, '-')",
            "l + 1",
            "2 * m",
            "GREATEST(l, t)",
            "LEAST(1, r)",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        CAST(l AS BOOLEAN): a truth value was expected, and `l` is a list
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        CAST(l AS BIGINT): an integer was expected, and `l` is a list
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        CAST(r AS BIGINT): an integer was expected, and `r` is a record
        hint: a dot reads a field of a record, such as `r.x`
        CAST(DATE(d) AS BOOLEAN): a truth value was expected, found a date
        hint: `… IS NOT NULL` tells whether there is a date or a time
        NOT t: a truth value was expected, and `t` is text
        hint: `t = 'a'` compares two texts, and `CAST(t AS BOOLEAN)` reads `true` and `false`
        NOT l: a truth value was expected, and `l` is a list
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        ARRAY_SUM(l): a list of numbers was expected, and `l` holds texts
        ARRAY_MEAN(rl): a list of numbers was expected, and `rl` holds records
        ARRAY_SUM(UPPER(t)): a list was expected, found text
        hint: `STRING_TO_ARRAY(…, ',')` splits a text into a list, and `SUBSTR(…, 1, 1)` is its first character
        ARRAY_LENGTH(t): a list was expected, and `t` is text
        hint: `STRING_TO_ARRAY(t, ',')` splits a text into a list, and `SUBSTR(t, 1, 1)` is its first character
        ARRAY_TO_STRING(r, '-'): a list was expected, and `r` is a record
        hint: a dot reads a field of a record, such as `r.x`
        l + 1: a number was expected, and `l` is a list
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        2 * m: a number was expected, and `m` is a list
        hint: `m[1]` is the first item of a list, and `ARRAY_LENGTH(m)` counts them
        GREATEST(l, t): a value with an order in `GREATEST` was expected, and `l` is a list
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        LEAST(1, r): a value with an order in `LEAST` was expected, and `r` is a record
        hint: a dot reads a field of a record, such as `r.x`
        "#);
    }

    #[test]
    fn an_item_and_a_field_that_are_not_there_are_told_with_what_is() {
        let expressions = [
            "r.zz",
            "r.X",
            "r.x.y",
            "t.x",
            "rl[1] -> 'kk'",
            "rl[1] -> 'k'",
            "r['x']",
            "r[1]",
            "l['a']",
            "l[t]",
            "t[1]",
            "l[i]",
            "l[LENGTH('ab')]",
            "l[0]",
            "ARRAY_GET(l, 0)",
            "SPLIT_PART(t, 'w', 0)",
            "l[i - 2]",
            "l[-1]",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        r.zz: `r` has no field `zz`
        hint: its fields are `x`
        r.X: `r` has no field `X`
        hint: did you mean `x`?
        r.x.y: no field `y` is known: a dot reads a field of a record, found an integer
        t.x: no field `x` is known: a dot reads a field of a record, and `t` is text
        rl[1] -> 'kk': what stands there has no field `kk`
        hint: did you mean `k`?
        rl[1] -> 'k': gives 1
        r['x']: a list was expected, and `r` is a record
        hint: a dot reads a field of a record, such as `r.x`
        r[1]: a list was expected, and `r` is a record
        hint: a dot reads a field of a record, such as `r.x`
        l['a']: an integer was expected in the brackets, the place of an item, found text
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        l[t]: an integer was expected in the brackets, the place of an item, found text
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        t[1]: a list was expected, and `t` is text
        hint: `STRING_TO_ARRAY(t, ',')` splits a text into a list, and `SUBSTR(t, 1, 1)` is its first character
        l[i]: gives "b"
        l[LENGTH('ab')]: gives "b"
        l[0]: the place of an item was expected, counted from 1, found `0` or `NULL`
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        ARRAY_GET(l, 0): the place of an item was expected, counted from 1, found `0` or `NULL`
        hint: `l[1]` is the first item of a list, and `ARRAY_LENGTH(l)` counts them
        SPLIT_PART(t, 'w', 0): the place of an item was expected, counted from 1, found `0` or `NULL`
        hint: `…[1]` is the first item of a list, and `ARRAY_LENGTH(…)` counts them
        l[i - 2]: gives null
        l[-1]: gives "b"
        "#);
    }

    #[test]
    fn lists_and_records_beside_text_are_their_json_and_texts_are_truth_values() {
        let expressions = [
            "CONCAT(l, ' ', t)",
            "CONCAT(r, i)",
            "CONCAT_WS('-', r, m)",
            "CASE WHEN b THEN l ELSE 'x' END",
            "CASE WHEN NOT b THEN r WHEN i = 1 THEN t ELSE l END",
            "CASE WHEN b THEN l END",
            "CASE WHEN b THEN l ELSE m END",
            "IF(b, r, 5)",
            "COALESCE(l, t)",
            "IFNULL(r, 'none')",
            "COALESCE(l, r)",
            "CAST(t AS BOOLEAN)",
            "CAST(' True' AS BOOLEAN)",
            "CAST('owls' AS BOOLEAN)",
            "CAST(t AS BOOLEAN) IS NULL",
            "NOT CAST('false' AS BOOLEAN)",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        CONCAT(l, ' ', t): gives "["a","b"] owls"
        CONCAT(r, i): gives "{"x":1}2"
        CONCAT_WS('-', r, m): gives "{"x":1}-[1,2]"
        CASE WHEN b THEN l ELSE 'x' END: gives "["a","b"]"
        CASE WHEN NOT b THEN r WHEN i = 1 THEN t ELSE l END: gives "["a","b"]"
        CASE WHEN b THEN l END: gives ["a", "b"]
        CASE WHEN b THEN l ELSE m END: gives ["a", "b"]
        IF(b, r, 5): gives "{"x":1}"
        COALESCE(l, t): gives "["a","b"]"
        IFNULL(r, 'none'): gives "{"x":1}"
        COALESCE(l, r): gives "["a","b"]"
        CAST(t AS BOOLEAN): gives null
        CAST(' True' AS BOOLEAN): gives true
        CAST('owls' AS BOOLEAN): a truth value was expected, and `'owls'` cannot be read as one
        hint: it would be null in every row; `NULL` says so where that is meant
        CAST(t AS BOOLEAN) IS NULL: gives true
        NOT CAST('false' AS BOOLEAN): gives true
        "#);
    }

    #[test]
    fn a_text_is_padded_only_so_far_in_a_row() {
        let expressions =
            ["LPAD(t, i * 500000000000, 'x')", "RPAD(t, i * 3)", "LPAD(t, n * 4, '-')", "RPAD(t, 1000 * 10000, 'x')", "LPAD(t, 2000000)", "RPAD('', 3, '-')"];
        assert_snapshot!(all_found(&expressions), @r#"
        LPAD(t, i * 500000000000, 'x'): gives null
        RPAD(t, i * 3): gives "owls  "
        LPAD(t, n * 4, '-'): gives "--owls"
        RPAD(t, 1000 * 10000, 'x'): gives null
        LPAD(t, 2000000): a text padded to at most 1000000 characters was expected
        RPAD('', 3, '-'): gives "---"
        "#);
    }
}
