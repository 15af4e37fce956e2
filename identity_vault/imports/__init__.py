"""Takes the school's lists in: roster, timetable, calendar, bookings. Bytes in, typed rows or problems out."""
