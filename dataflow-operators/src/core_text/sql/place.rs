//! Where a text stands in another, in characters, as `LENGTH` and `SUBSTR` count them; Polars counts bytes there.

use polars::prelude::{Column, DataType, Expr, Field, PolarsError, PolarsResult, map_multiple};

/// The place of the first character, from 1; 0 where the text does not stand in the other, and null where one of them is.
pub(super) fn of(text_and_part: &[Expr]) -> Expr {
    map_multiple(places, text_and_part, |_, fields| match fields.iter().find(|field| !is_text(field.dtype())) {
        Some(other) => Err(PolarsError::SchemaMismatch(
            format!("invalid series dtype: expected `String`, got `{}` for series with name `{}`", other.dtype(), other.name()).into(),
        )),
        None => Ok(Field::new(fields[0].name().clone(), DataType::Int64)),
    })
}

fn is_text(found: &DataType) -> bool {
    found.is_string() || found.is_null() || found.is_unknown()
}

fn places(columns: &mut [Column]) -> PolarsResult<Column> {
    let [text, part] = columns else { return Err(PolarsError::ComputeError("a text and a part were expected".into())) };
    let name = text.name().clone();
    let (texts, parts) = (text.cast(&DataType::String)?, part.cast(&DataType::String)?);
    let (texts, parts) = (texts.str()?, parts.str()?);
    // A constant is a column of one row.
    let place = |row: usize| {
        let (text, part) = (texts.get(row.min(texts.len() - 1))?, parts.get(row.min(parts.len() - 1))?);
        Some(text.find(part).map_or(0, |at| text[..at].chars().count() as i64 + 1))
    };
    let rows = if texts.is_empty() || parts.is_empty() { 0 } else { texts.len().max(parts.len()) };
    Ok(Column::new(name, (0..rows).map(place).collect::<Vec<_>>()))
}
