# SPDX-License-Identifier: Apache-2.0
"""Sales tables: what an analyst writes with pandas."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pandas as pd

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger(__name__)


def clean(table: pd.DataFrame) -> pd.DataFrame:
    table = table.rename(columns=str.lower).drop_duplicates()
    table["amount"] = pd.to_numeric(table["amount"], errors="coerce")
    table["shop"] = table["shop"].str.strip().str.title().astype("category")
    return table.dropna(subset=["amount"]).assign(large=lambda rows: rows["amount"] > 100)


def by_hour(table: pd.DataFrame) -> dict[str, float]:
    stamps = pd.to_datetime(table["time"], utc=True).dt.tz_convert("Europe/Berlin")
    series = table.set_index(stamps)["amount"].sort_index()
    hourly = series.resample("6H").sum()
    return {stamp.isoformat(): round(value, 6) for stamp, value in hourly.items() if value}


def main(sales, shops, report, points, lines, threshold=50.0):
    raw = pd.read_csv(sales)
    table = clean(raw)
    logger.info("rows %d", len(table))
    merged = table.merge(pd.read_json(shops), on="shop", how="left", validate="many_to_one")
    grouped = merged.groupby("region", as_index=False).agg(total=("amount", "sum"), mean=("amount", "mean"), n=("amount", "size"))
    pivot = merged.pivot_table(index="shop", columns="large", values="amount", aggfunc="sum", fill_value=0, observed=True)
    sales.seek(0)
    chunks = sum(len(chunk) for chunk in pd.read_csv(sales, chunksize=7))
    days = pd.date_range("2024-03-29", periods=5, freq="D", tz="America/New_York")
    shifted = pd.Series(range(5), index=days).tz_convert("Asia/Tokyo").asfreq("12H").interpolate()
    window = merged["amount"].rolling(3, min_periods=1).mean()
    bands = pd.cut(merged["amount"], [0, threshold, 100, 1e9], labels=["low", "middle", "high"]).value_counts(sort=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wide = merged[["amount"]].apply(np.log1p).describe().round(9)
    stacked = pivot.stack().rename("amount").reset_index()
    grouped.to_csv(report, index=False)
    merged[["shop", "amount", "region"]].to_json(points, orient="records")
    merged.head(3).to_string(lines_of := __import__("io").StringIO())
    lines.write(lines_of.getvalue().encode())
    try:
        merged.to_parquet(__import__("io").BytesIO())
        parquet = "written"
    except ImportError as error:
        parquet = "pyarrow" in str(error)
    return {
        "rows": len(table), "chunks": chunks, "hours": by_hour(table),
        "grouped": grouped.to_dict("records"), "pivot": {key: list(map(float, row)) for key, row in pivot.iterrows()},
        "shifted": shifted.round(9).tolist(), "window": window.round(9).tolist(),
        "bands": {str(key): int(value) for key, value in bands.items()},
        "wide": wide["amount"].to_dict(), "stacked": len(stacked), "parquet": parquet,
        "query": int(merged.query("amount > @threshold and region == 'north'").shape[0]),
        "eval": float(merged.eval("amount * 2").sum()), "markup": "<table" in merged.head(2).to_html(),
        "corr": float(merged["amount"].corr(merged["amount"] ** 2)),
        "business": [day.isoformat() for day in pd.bdate_range("2024-01-01", periods=3)],
        "dateutil": pd.Timestamp("2024-07-01", tz="dateutil/Europe/Paris").isoformat(),
        "period": str(pd.Period("2024Q1").end_time), "delta": str(pd.Timedelta("1 days 2 hours") * 2),
    }


if __name__ == "__main__":
    with open("sales.csv", "rb") as sales_file, open("shops.json", "rb") as shops_file:
        print(main(sales_file, shops_file, None, None, None))
