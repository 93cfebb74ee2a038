from django.apps import AppConfig


class LeadsysConfig(AppConfig):
    name = "leadsys"
