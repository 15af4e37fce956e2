"""When somebody is at school and who has which lesson: timetable, school calendar and bookings."""
