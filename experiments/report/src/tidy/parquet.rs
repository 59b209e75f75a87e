//! Tables as Parquet files.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Column, Table, Values};

/// One row group; the same table always gives the same bytes.
pub(super) fn encode(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by("zkml-workbench".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema(table)?, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for column in &table.columns {
        let missing = || ParquetError::General(format!("no place for the column `{}`", column.name));
        let mut chunk = group.next_column()?.ok_or_else(missing)?;
        match &column.values {
            Values::Text(values) => put::<ByteArrayType, _>(&mut chunk, values, |v| ByteArray::from(v.as_str()))?,
            Values::Integer(values) => put::<Int64Type, _>(&mut chunk, values, |v| *v)?,
            Values::Number(values) => put::<DoubleType, _>(&mut chunk, values, |v| *v)?,
            Values::Boolean(values) => put::<BoolType, _>(&mut chunk, values, |v| *v)?,
        }
        chunk.close()?;
    }
    group.close()?;
    writer.into_inner()
}

/// Writes a column: definition level 1 where there is a value, 0 where there is none.
fn put<D: DataType, V>(
    chunk: &mut SerializedColumnWriter<'_>,
    values: &[Option<V>],
    convert: impl Fn(&V) -> D::T,
) -> Result<(), ParquetError> {
    let present: Vec<D::T> = values.iter().flatten().map(convert).collect();
    let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
    chunk.typed::<D>().write_batch(&present, Some(&levels), None)?;
    Ok(())
}

fn schema(table: &Table) -> Result<TypePtr, ParquetError> {
    let fields = table.columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Type::group_type_builder(table.name).with_fields(fields).build()?))
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.values {
        Values::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Integer(_) => (Physical::INT64, None),
        Values::Number(_) => (Physical::DOUBLE, None),
        Values::Boolean(_) => (Physical::BOOLEAN, None),
    };
    let builder = Type::primitive_type_builder(&column.name, physical).with_logical_type(logical);
    Ok(Arc::new(builder.with_repetition(Repetition::OPTIONAL).build()?))
}
