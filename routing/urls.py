"""Routing's pages in the settings of a tenant."""

from django.urls import path

from routing import views

urlpatterns = [
    path("calendar/", views.calendar, name="calendar"),
    path("calendar/hours/", views.hours, name="calendar-hours"),
    path("calendar/days-off/", views.close, name="calendar-close"),
    path("calendar/days-off/<slug:key>/", views.reopen, name="calendar-reopen"),
    path("clocks/", views.clocks, name="clocks"),
    path("clocks/<slug:kind>/", views.clock, name="clock"),
]
