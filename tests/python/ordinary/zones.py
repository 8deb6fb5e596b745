# SPDX-License-Identifier: Apache-2.0
"""Time zones by all four ways that Python knows, over every zone there is."""

import datetime as dt
import hashlib
import pickle
import zoneinfo

import dateutil.parser
import dateutil.relativedelta
import dateutil.rrule
import dateutil.tz
import pandas as pd
import pytz

MOMENTS = [dt.datetime(year, month, 15, 12, tzinfo=dt.timezone.utc) for year in (1970, 1999, 2024) for month in (1, 7)]


def digest(make):
    content = hashlib.sha256()
    for name in sorted(zoneinfo.available_timezones() - {"localtime", "Factory"}):
        for moment in MOMENTS:
            content.update(moment.astimezone(make(name)).isoformat().encode())
    return content.hexdigest()


def main():
    unknown = []
    for make in (zoneinfo.ZoneInfo, pytz.timezone, dateutil.tz.gettz):
        try:
            unknown.append(repr(make("Not/There")))
        except Exception as error:
            unknown.append(type(error).__name__)
    index = pd.date_range("2024-10-26", periods=6, freq="H", tz="Europe/Berlin")
    rule = dateutil.rrule.rrule(dateutil.rrule.MONTHLY, count=3, dtstart=dt.datetime(2024, 1, 31), bymonthday=-1)
    return {
        "zoneinfo": digest(zoneinfo.ZoneInfo), "pytz": digest(pytz.timezone), "dateutil": digest(dateutil.tz.gettz),
        "unknown": unknown, "countries": len(pytz.country_timezones), "germany": pytz.country_timezones["de"],
        "country": pytz.country_names["fr"], "common": len(pytz.common_timezones), "cased": str(pytz.timezone("europe/berlin")),
        "index": [stamp.isoformat() for stamp in index], "paris": repr(dateutil.tz.gettz("Europe/Paris")),
        "offset": str(dateutil.tz.gettz("EST5EDT").utcoffset(dt.datetime(2024, 1, 1))), "none": str(dateutil.tz.gettz("UTC3")),
        "pickled": pickle.loads(pickle.dumps(dateutil.tz.gettz("Asia/Tokyo"))) == dateutil.tz.gettz("Asia/Tokyo"),
        "parsed": dateutil.parser.parse("3rd of May 2001 10:00 UTC").isoformat(), "rule": [day.isoformat() for day in rule],
        "later": (dt.date(2024, 1, 31) + dateutil.relativedelta.relativedelta(months=1)).isoformat(),
        "naive": dt.datetime(2024, 1, 1).astimezone(pytz.timezone("Asia/Kolkata")).utcoffset().total_seconds(),
    }


if __name__ == "__main__":
    print(main())
