//! Has only values of one kind compared: Polars brings some to text or to numbers on the way, and the comparison then holds for no row at all.

use std::sync::Arc;

use polars::prelude::{BooleanFunction, DataType, Expr, FunctionExpr, LiteralValue, Operator, Schema, TimeUnit, UnknownKind};

use super::temporal::{self, Takes};
use super::type_name;

/// An expression whose comparisons are of one kind for columns of these types: a text constant beside a date is read as one. Otherwise what is wrong.
pub(super) fn fitted(expression: Expr, schema: &Schema) -> Result<Expr, String> {
    let mut wrong = None;
    let fitted = expression.map_expr(|part| match part {
        Expr::BinaryExpr { left, op, right } if compares(op) => {
            if is_null(&left) || is_null(&right) {
                if !matches!(op, Operator::EqValidity | Operator::NotEqValidity) {
                    wrong.get_or_insert_with(|| {
                        "a comparison with `NULL` holds for no row\nhint: `IS NULL` and `IS NOT NULL` tell whether there is a value".to_owned()
                    });
                }
                return Expr::BinaryExpr { left, op, right };
            }
            let types = (left.to_field(schema), right.to_field(schema));
            // What Polars cannot tell the type of, it tells itself.
            let (Ok(of_left), Ok(of_right)) = types else { return Expr::BinaryExpr { left, op, right } };
            let (left, left_type) = read_beside(left, of_left.dtype, &of_right.dtype);
            let (right, right_type) = read_beside(right, of_right.dtype, &left_type);
            if !can_be_compared((&left, &left_type), (&right, &right_type)) {
                wrong.get_or_insert_with(|| told((&left, &left_type), (&right, &right_type)));
            }
            Expr::BinaryExpr { left, op, right }
        }
        Expr::Function { mut input, function: function @ FunctionExpr::Boolean(BooleanFunction::IsIn { .. }) } => {
            if let [value, list] = input.as_mut_slice()
                && let Ok(of_value) = value.to_field(schema)
                && temporal::is_read_here(&of_value.dtype)
            {
                match with_texts_read(list.clone(), &of_value.dtype) {
                    Ok(read) => *list = read,
                    Err(told) => _ = wrong.get_or_insert(told),
                }
            }
            Expr::Function { input, function }
        }
        other => other,
    });
    wrong.map_or(Ok(fitted), Err)
}

fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq | Operator::EqValidity | Operator::NotEq | Operator::NotEqValidity | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    )
}

/// A text constant as a date or a time where it stands beside one and can be read as such; any other side as it is.
fn read_beside(side: Arc<Expr>, of: DataType, other: &DataType) -> (Arc<Expr>, DataType) {
    let Some(text) = text_of(&side) else { return (side, of) };
    let wanted = match other {
        // A date is compared with a moment as its midnight.
        DataType::Date if text.trim().len() > "2024-01-31".len() => DataType::Datetime(TimeUnit::Microseconds, None),
        DataType::Datetime(unit, Some(_)) => DataType::Datetime(*unit, None),
        other => other.clone(),
    };
    if temporal::is_read_here(&wanted) && temporal::counted(text, &wanted).is_some() {
        let read = temporal::read(Expr::clone(&side), &wanted, Takes::TextOrMoment);
        return match other {
            // What names no zone is a moment of UTC, as in the output.
            DataType::Datetime(_, Some(_)) => (Arc::new(read.cast(other.clone())), other.clone()),
            _ => (Arc::new(read), wanted),
        };
    }
    (side, of)
}

/// The list of an `IN` with its texts as dates or times.
fn with_texts_read(list: Expr, wanted: &DataType) -> Result<Expr, String> {
    let mut wrong = None;
    let read = list.map_expr(|part| match part {
        Expr::Literal(LiteralValue::Series(constants)) => match constants.str() {
            Ok(texts) => {
                wrong = texts.iter().flatten().find(|text| temporal::counted(text, wanted).is_none()).map(|text| temporal::unreadable(text, wanted));
                temporal::read(Expr::Literal(LiteralValue::Series(constants.clone())), wanted, Takes::TextOrMoment)
            }
            Err(_) => Expr::Literal(LiteralValue::Series(constants)),
        },
        other => other,
    });
    wrong.map_or(Ok(read), |wrong| Err(format!("{} was expected in the list of `IN`\nhint: {wrong}", type_name(&wanted.to_string()))))
}

fn is_null(side: &Expr) -> bool {
    matches!(side, Expr::Literal(constant) if constant.to_any_value().is_some_and(|value| value.is_null()))
}

fn text_of(side: &Expr) -> Option<&str> {
    if let Expr::Literal(literal) = side { literal.extract_str() } else { None }
}

/// Types of which two can be compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Truth,
    Moment,
    Time,
    Span,
    List,
    Record,
}

fn kind(of: &DataType) -> Option<Kind> {
    Some(match of {
        DataType::String | DataType::Unknown(UnknownKind::Str) => Kind::Text,
        DataType::Unknown(UnknownKind::Int(_) | UnknownKind::Float) | DataType::Decimal(..) => Kind::Number,
        number if number.is_primitive_numeric() => Kind::Number,
        DataType::Boolean => Kind::Truth,
        DataType::Date | DataType::Datetime(..) => Kind::Moment,
        DataType::Time => Kind::Time,
        DataType::Duration(_) => Kind::Span,
        DataType::List(_) | DataType::Array(..) => Kind::List,
        DataType::Struct(_) => Kind::Record,
        _ => return None,
    })
}

fn can_be_compared(left: (&Expr, &DataType), right: (&Expr, &DataType)) -> bool {
    match (kind(left.1), kind(right.1)) {
        (Some(of_left), Some(of_right)) if of_left == of_right => true,
        (Some(of_left), Some(Kind::Truth)) => stands_for_truth(left.0, of_left),
        (Some(Kind::Truth), Some(of_right)) => stands_for_truth(right.0, of_right),
        (Some(_), Some(_)) => false,
        (None, _) | (_, None) => true,
    }
}

/// Whether what stands beside a truth value can be equal to it.
fn stands_for_truth(side: &Expr, of: Kind) -> bool {
    match side {
        Expr::Literal(constant) if of == Kind::Text => matches!(constant.extract_str(), Some("true" | "false")),
        Expr::Literal(constant) => matches!(constant.extract_i64(), Ok(0 | 1)),
        _ => of == Kind::Number,
    }
}

fn told(left: (&Expr, &DataType), right: (&Expr, &DataType)) -> String {
    let named = |(side, of): (&Expr, &DataType), otherwise: &str| {
        let name = match side {
            Expr::Column(name) => format!("`{name}`"),
            Expr::Literal(constant) => match (constant.extract_str(), constant.to_any_value()) {
                (Some(text), _) => format!("`'{text}'`"),
                (None, Some(value)) => format!("`{value}`"),
                (None, None) => otherwise.to_owned(),
            },
            _ => otherwise.to_owned(),
        };
        format!("{name} is {}", type_name(&of.to_string()))
    };
    let found = format!("two values of one type were expected in a comparison: {}, and {}", named(left, "its left side"), named(right, "its right side"));
    let hint = hint(left, right).or_else(|| hint(right, left)).unwrap_or_else(|| "`CAST(… AS VARCHAR)` and the like bring a value to another type".to_owned());
    format!("{found}\nhint: {hint}")
}

/// How `side` could be compared with `other`.
fn hint((side, of): (&Expr, &DataType), (other, of_other): (&Expr, &DataType)) -> Option<String> {
    let column = if let Expr::Column(name) = side { name.as_str() } else { "…" };
    let sql_type = match of_other {
        DataType::Date => "DATE",
        DataType::Datetime(..) => "TIMESTAMP",
        DataType::Time => "TIME",
        DataType::Boolean => "BOOLEAN",
        float if float.is_float() || matches!(float, DataType::Decimal(..) | DataType::Unknown(UnknownKind::Float)) => "DOUBLE",
        _ => "BIGINT",
    };
    match (kind(of)?, kind(of_other)?) {
        (Kind::List, _) => Some(format!("`ARRAY_CONTAINS({column}, …)` tells whether a list holds a value, and `{column}[1]` is its first")),
        (Kind::Record, _) => {
            let DataType::Struct(fields) = of else { return None };
            Some(format!("a dot reads a field of a record, such as `{column}.{}`", fields.first().map_or("name", |field| field.name())))
        }
        (Kind::Text, Kind::Truth) if text_of(side).is_none() => Some(format!("`{column} = 'true'` compares two texts")),
        (Kind::Text | Kind::Number, Kind::Truth) => Some("a truth value stands for itself, such as `sure` and `NOT sure`".to_owned()),
        (Kind::Text, Kind::Number) => match text_of(side) {
            Some(text) if text.trim().parse::<f64>().is_ok() => Some(format!("a number has no quotes: `{}`", text.trim())),
            Some(_) => None,
            None => Some(format!("`CAST({column} AS {sql_type})` reads a text as a number")),
        },
        (Kind::Text, Kind::Moment | Kind::Time) => match text_of(side) {
            Some(text) => Some(temporal::unreadable(text, of_other)),
            None => Some(format!("`CAST({column} AS {sql_type})` reads a text as {}", type_name(&of_other.to_string()))),
        },
        (Kind::Number, Kind::Moment) => Some("`EXTRACT(YEAR FROM …)` and the like give numbers of a date, and `DATE '2024-01-31'` is one".to_owned()),
        (Kind::Number, Kind::Span) => Some("`INTERVAL '3 days'` is a span of time".to_owned()),
        (Kind::Moment, Kind::Time) if !matches!(other, Expr::Literal(_)) => Some(format!("`CAST({column} AS TIME)` is the time of a date with a time")),
        _ => None,
    }
}
