from study_fixtures import run, start, study_file

__all__ = ["run", "start", "study_file"]
