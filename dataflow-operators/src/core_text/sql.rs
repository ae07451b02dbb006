//! Works SQL expressions out over a batch so that a bad cell fails its row alone, and tells what is wrong with one in words that are not Polars'.

use std::borrow::Cow;
use std::sync::Arc;

use dataflow_core::key::ColumnType;
use dataflow_core::row::text_of;
use polars::prelude::{
    Column, DataFrame, DataType, Expr, Field, Float64Chunked, FunctionExpr, IntoColumn, IntoLazy, NULL, Operator, PlSmallStr, PolarsError, PolarsResult,
    StringFunction, lit, when,
};
use polars::sql::sql_expr;

mod arithmetic;
mod comparison;
mod format;
mod functions;
mod guard;
mod halves;
#[cfg(test)]
mod laws;
mod place;
mod rule;
mod span;
mod temporal;
mod token;
mod typed;
mod unknown_function;
mod wording;
mod written;

pub use rule::SqlRule;
use temporal::Takes;
pub(super) use wording::type_name;
use wording::{left_over, told};

/// What an expression gives for the rows of a batch.
pub(super) struct Evaluated {
    /// Null for a row that failed.
    pub(super) column: Column,
    /// The rows for which there is no value, and why.
    pub(super) failed: Vec<(usize, String)>,
}

/// Reads an expression, all of it.
fn parsed(sql: &str) -> Result<Expr, String> {
    let sql = &written::prepared(sql)?;
    let read = |sql: &str| guard::guarded(|| sql_expr(sql));
    let expression = read(sql)?.map_err(|error| told(&error, &DataFrame::empty()))?;
    for part in &expression {
        if let Expr::Function { input, function: FunctionExpr::StringExpr(StringFunction::PadStart { .. } | StringFunction::PadEnd { .. }) } = part
            && let [_, Expr::Literal(length)] = input.as_slice()
            && length.extract_i64().is_ok_and(|length| length > MOST_PADDED)
        {
            return Err(format!("a text padded to at most {MOST_PADDED} characters was expected"));
        }
    }
    match &expression {
        // What follows an expression is a name for it, and in brackets it may not have one.
        Expr::Alias(_, name) if !read(&format!("({sql}\n)")).is_ok_and(|read| read.is_ok()) => Err(left_over(name)),
        _ => Ok(expression),
    }
}

/// To how many characters `LPAD` and `RPAD` pad a text: each row would have as many.
const MOST_PADDED: i64 = 1_000_000;

/// The columns that an expression reads, each once.
fn columns_of(expression: &Expr) -> Vec<PlSmallStr> {
    let mut columns: Vec<PlSmallStr> = Vec::new();
    for part in expression {
        if let Expr::Column(name) = part
            && !columns.contains(name)
        {
            columns.push(name.clone());
        }
    }
    columns
}

/// An expression as it is worked out for columns of these types; what is wrong with it where a part of it takes no value of such a type.
fn ready(expression: &Expr, frame: &DataFrame) -> Result<Expr, String> {
    typed::check(expression, frame.schema())?;
    let fitted = comparison::fitted(typed::fitted(expression.clone(), frame.schema()), frame.schema())?;
    Ok(arithmetic::in_64_bits(lenient(fitted), frame.schema()))
}

/// An expression in which a cell that cannot be read as a number, a date or another type is null, and so is a division by zero.
fn lenient(expression: Expr) -> Expr {
    expression.map_expr(|part| match part {
        Expr::BinaryExpr { left, op: op @ (Operator::TrueDivide | Operator::RustDivide | Operator::FloorDivide | Operator::Modulus), right } => {
            let is_zero = Expr::clone(&right).eq(lit(0));
            when(is_zero).then(lit(NULL)).otherwise(Expr::BinaryExpr { left, op, right })
        }
        Expr::Cast { expr, dtype, .. } => match dtype.as_literal() {
            Some(wanted) if temporal::is_read_here(wanted) => temporal::read(Arc::unwrap_or_clone(expr), wanted, Takes::Anything),
            Some(DataType::String) => texts(Arc::unwrap_or_clone(expr)),
            _ => Arc::unwrap_or_clone(expr).cast(dtype),
        },
        Expr::Function { input, function: FunctionExpr::FillNull } => match looked_at(&input[0]) {
            Some(looked_at) => place::of(looked_at),
            None => Expr::Function { input, function: FunctionExpr::FillNull },
        },
        Expr::Function { mut input, function: function @ FunctionExpr::StringExpr(StringFunction::Slice) } if !matches!(input[2], Expr::Literal(_)) => {
            // No text is shorter than none.
            let length = input[2].clone();
            input[2] = when(length.clone().lt(lit(0))).then(lit(0)).otherwise(length);
            Expr::Function { input, function }
        }
        Expr::Function { mut input, function: function @ FunctionExpr::StringExpr(StringFunction::Replace { .. }) }
            if !matches!(input[2], Expr::Literal(_)) =>
        {
            let by = input[2].clone();
            input[2] = by.clone().fill_null(lit(""));
            when(by.is_null()).then(lit(NULL)).otherwise(Expr::Function { input, function })
        }
        Expr::Function { mut input, function: FunctionExpr::StringExpr(StringFunction::Strptime(dtype, mut options)) } => match dtype.as_literal() {
            Some(wanted) if options.format.is_none() && temporal::is_read_here(wanted) => temporal::read(input.swap_remove(0), wanted, Takes::TextOrMoment),
            _ => {
                options.strict = false;
                Expr::Function { input, function: FunctionExpr::StringExpr(StringFunction::Strptime(dtype, options)) }
            }
        },
        other => other,
    })
}

/// The text and the part of it that `STRPOS` looks for, where an expression is what Polars makes of it.
fn looked_at(expression: &Expr) -> Option<&[Expr]> {
    let Expr::BinaryExpr { left, op: Operator::Plus, .. } = expression else { return None };
    match &**left {
        Expr::Function { input, function: FunctionExpr::StringExpr(StringFunction::Find { .. }) } => Some(input),
        _ => None,
    }
}

/// Whether each constant that is brought to a type can be, and each format can read a text: it would be null in every row.
fn constants_can_be_read(expression: &Expr) -> Result<(), String> {
    for part in expression {
        format::reads(part)?;
        let (constant, wanted) = match part {
            Expr::Cast { expr, dtype, .. } => (&**expr, dtype.as_literal()),
            Expr::Function { input, function: FunctionExpr::StringExpr(StringFunction::Strptime(dtype, _)) } => (&input[0], dtype.as_literal()),
            _ => continue,
        };
        let (Expr::Literal(literal), Some(wanted)) = (constant, wanted) else { continue };
        let row = DataFrame::empty_with_height(1);
        let is_null = |expression: &Expr| whole(expression, &row).is_ok_and(|column| column.null_count() == column.len());
        if is_null(&lenient(typed::fitted(part.clone(), row.schema()))) && !is_null(constant) {
            let shown = literal.extract_str().map_or_else(|| "a constant".to_owned(), |text| format!("`'{text}'`"));
            let wanted = type_name(&wanted.to_string());
            return Err(format!(
                "{wanted} was expected, and {shown} cannot be read as one\nhint: it would be null in every row; `NULL` says so where that is meant"
            ));
        }
    }
    Ok(())
}

/// Works an expression out. What is wrong with it whatever the rows is an error on a batch without rows, which the engine tries first; beside rows it is theirs.
pub(super) fn evaluated(expression: &Expr, frame: &DataFrame) -> Result<Evaluated, String> {
    if frame.height() == 0 {
        constants_can_be_read(expression)?;
    }
    let frame = &with_typed_nulls(expression, frame);
    let expression = &ready(expression, frame)?;
    let wrong = match whole(expression, frame) {
        Ok(column) => return Ok(Evaluated { column: finite(column), failed: Vec::new() }),
        Err(wrong) if frame.height() == 0 => return Err(told(&wrong, frame)),
        Err(wrong) => wrong,
    };
    tracing::debug!(rows = frame.height(), %wrong, "an expression failed, and is worked out in halves");
    let parts = halves::in_halves(0..frame.height(), wrong, &|rows| whole(expression, &frame.slice(rows.start as i64, rows.len())));
    let of_type = parts.iter().find_map(|(_, part)| part.as_ref().ok()).map_or(DataType::Null, |column| column.dtype().clone());
    let (mut column, mut failed) = (Column::full_null("value".into(), 0, &of_type), Vec::new());
    for (first, part) in parts {
        let part = part.unwrap_or_else(|wrong| {
            failed.push((first, told(&wrong, frame)));
            Column::full_null("value".into(), 1, &of_type)
        });
        column.append(&part).map_err(|wrong| told(&wrong, frame))?;
    }
    Ok(Evaluated { column: finite(column), failed })
}

/// An expression as text.
fn texts(expression: Expr) -> Expr {
    expression.map(|column| as_text(&column), |_, field| Ok(Field::new(field.name().clone(), DataType::String)))
}

/// An expression that gives texts as truth values, and null where its text is none.
fn truths(expression: Expr) -> Expr {
    expression.map(|column| as_truth(&column), |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)))
}

/// A column of texts as truth values.
fn as_truth(column: &Column) -> PolarsResult<Column> {
    let truth = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let truths: Vec<Option<bool>> = column.str()?.iter().map(|text| text.and_then(truth)).collect();
    Ok(Column::new(column.name().clone(), truths))
}

/// A column as text, lists and records as their JSON.
fn as_text(column: &Column) -> PolarsResult<Column> {
    if !column.dtype().is_nested() {
        return column.cast(&DataType::String);
    }
    let texts = (0..column.len()).map(|row| Ok(text_of(column.get(row)?).map(Cow::into_owned)));
    Ok(Column::new(column.name().clone(), texts.collect::<PolarsResult<Vec<Option<String>>>>()?))
}

/// A column with nulls in the place of numbers that JSON does not have, and no output would keep.
fn finite(column: Column) -> Column {
    match column.f64() {
        Ok(values) if values.iter().flatten().any(|value| !value.is_finite()) => {
            let finite: Vec<Option<f64>> = values.iter().map(|value| value.filter(|value| value.is_finite())).collect();
            Column::new(column.name().clone(), finite)
        }
        _ => column,
    }
}

/// The type that an expression gives for a table, whatever its rows.
pub(super) fn type_of(expression: &Expr, frame: &DataFrame) -> Result<ColumnType, String> {
    let frame = &with_typed_nulls(expression, frame);
    let column = whole(&ready(expression, frame)?, &frame.clear()).map_err(|wrong| told(&wrong, frame))?;
    Ok(ColumnType::inferred_from(column.dtype()))
}

/// A table in which columns of nothing but nulls have a type with which the expression can be worked out, where there is one: other rows may show another day what they hold.
fn with_typed_nulls(expression: &Expr, frame: &DataFrame) -> DataFrame {
    let is_null = |name: &PlSmallStr| frame.column(name).is_ok_and(|column| column.dtype().is_null());
    let nulls: Vec<PlSmallStr> = columns_of(expression).into_iter().filter(is_null).collect();
    let given = |column: &Column, data_type: &DataType| if nulls.contains(column.name()) { column.cast(data_type) } else { Ok(column.clone()) };
    let of_type = |data_type: &DataType| {
        let columns = frame.columns().iter().map(|column| given(column, data_type)).collect::<PolarsResult<Vec<Column>>>();
        columns.and_then(|columns| DataFrame::new(frame.height(), columns)).ok()
    };
    let works = |frame: &DataFrame| ready(expression, frame).is_ok_and(|expression| whole(&expression, &frame.clear()).is_ok());
    let candidates = [DataType::Null, DataType::String, DataType::Float64, DataType::Boolean];
    let found = if nulls.is_empty() { None } else { candidates.iter().filter_map(of_type).find(works) };
    found.unwrap_or_else(|| frame.clone())
}

fn whole(expression: &Expr, frame: &DataFrame) -> Result<Column, PolarsError> {
    // An expression without a column has one value; beside a column of all rows it is repeated.
    let rows = lit(frame.height() as u64).alias("rows");
    let work = || frame.clone().lazy().with_columns([expression.clone().alias("value"), rows]).collect();
    let found = guard::guarded(work).unwrap_or_else(|panicked| Err(PolarsError::ComputeError(panicked.into())))?;
    found.column("value").cloned()
}

/// A column brought to a type, and the rows whose value does not fit, each with what it is.
pub(super) fn brought_to(column: &Column, wanted: &DataType) -> (Column, Vec<(usize, String)>) {
    let name = column.name().clone();
    let brought = match (column.dtype(), wanted) {
        (DataType::String, DataType::Boolean) => as_truth(column),
        (_, DataType::String) => as_text(column),
        (DataType::Float32 | DataType::Float64, DataType::Int64) => whole_numbers(column),
        _ => column.cast(wanted),
    };
    let brought = brought.unwrap_or_else(|_| Column::full_null(name, column.len(), wanted));
    let misfits = (0..column.len()).filter_map(|row| match (column.get(row), brought.get(row)) {
        (Ok(value), Ok(found)) if found.is_null() && !value.is_null() => {
            let value = value.get_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            Some((row, shortened(&value)))
        }
        _ => None,
    });
    let misfits = if brought.null_count() > column.null_count() { misfits.collect() } else { Vec::new() };
    (brought, misfits)
}

/// A column of numbers as integers, null where one has a fraction.
fn whole_numbers(column: &Column) -> PolarsResult<Column> {
    let numbers = column.cast(&DataType::Float64)?;
    let whole: Float64Chunked = numbers.f64()?.iter().map(|number| number.filter(|number| number.fract() == 0.0)).collect();
    whole.with_name(column.name().clone()).into_column().cast(&DataType::Int64)
}

/// How many characters of a value are told.
const MOST_SHOWN: usize = 60;

fn shortened(value: &str) -> String {
    if value.chars().nth(MOST_SHOWN).is_none() { value.to_owned() } else { value.chars().take(MOST_SHOWN).chain(['…']).collect() }
}
