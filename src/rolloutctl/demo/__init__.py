"""A real small application, its traffic and a playbook in seconds; knows no screen."""
